import { EspalierError } from '../../base/errors.js'
import { volume } from '../../base/numbers.js'
import type { TypedArray } from '../../libtorch/binding.js'
import type { DType } from '../../record/record.js'

/**
 * What two processes send each other: the length of a text of JSON, the text, and the bytes that it describes. The receiver
 * of an answer trusts nothing of it.
 */
export interface WireTensor {
  readonly names: readonly string[]
  readonly role: 'input' | 'parameter' | 'buffer'
  readonly shape: readonly number[]
  readonly dtype: DType
}

/** Element type of the array that `Tensor.data()` gives, and of what is sent. */
const ARRAYS: Readonly<Record<string, { new (buffer: ArrayBuffer): TypedArray; readonly BYTES_PER_ELEMENT: number }>> =
  {
    float64: Float64Array,
    float32: Float32Array,
    float16: Float32Array,
    bfloat16: Float32Array,
    int64: BigInt64Array,
    int32: Int32Array,
    int16: Int16Array,
    int8: Int8Array,
    uint8: Uint8Array,
    bool: Uint8Array,
  }

const bytesOf = (array: TypedArray): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

export function pack(header: object, arrays: readonly TypedArray[]): Uint8Array[] {
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, text.length, true)
  return [length, text, ...arrays.map(bytesOf)]
}

/** @throws EspalierError ERR_UNSUPPORTED for bytes that are no message */
export function unpack(bytes: Uint8Array): { header: unknown; rest: Uint8Array } {
  const size = bytes.length < 4 ? Infinity : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  if (size > bytes.length - 4) throw unreadable()
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)))
    return { header, rest: bytes.subarray(4 + size) }
  } catch (cause) {
    throw cause instanceof EspalierError ? cause : unreadable()
  }
}

/**
 * The tensors' elements, in order; what is left of the bytes behind them.
 *
 * @throws EspalierError ERR_UNSUPPORTED when they are not as described
 */
export function takeArrays(
  tensors: readonly WireTensor[],
  bytes: Uint8Array,
): { arrays: TypedArray[]; rest: Uint8Array } {
  let at = 0
  const arrays = tensors.map(({ shape, dtype }) => {
    const ArrayType = Object.hasOwn(ARRAYS, dtype) ? ARRAYS[dtype] : undefined
    const sound = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)
    if (ArrayType === undefined || !sound) throw unreadable()
    const size = volume(shape) * ArrayType.BYTES_PER_ELEMENT
    if (size > bytes.length - at) throw unreadable()
    at += size
    // A copy of its own: the slice of a Buffer is a view.
    return new ArrayType(new Uint8Array(bytes.subarray(at - size, at)).buffer)
  })
  return { arrays, rest: bytes.subarray(at) }
}

export function unreadable(): EspalierError {
  return new EspalierError('ERR_MODEL_FILE', 'the process that looked into the file gave no sound answer')
}
