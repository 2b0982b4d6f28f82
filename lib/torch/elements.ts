import { EspalierError } from '../base/errors.js'
import type { TypedArray } from '../libtorch/binding.js'
import type { DType } from '../record/record.js'

/** Element type of each typed array. */
const ELEMENT_TYPES: readonly [new (length: number) => TypedArray, DType][] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [BigInt64Array, 'int64'],
  [Int32Array, 'int32'],
  [Int16Array, 'int16'],
  [Int8Array, 'int8'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
]

/** Smallest and largest value of the types that are not floating point. */
const RANGES: Partial<Record<DType, readonly [bigint, bigint]>> = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int16: [-32768n, 32767n],
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  bool: [0n, 1n],
}

/** A typed array that holds `data` without loss, and the dtype that the tensor is to have. */
export function toElements(
  data: TypedArray | readonly number[] | readonly bigint[],
  wanted: DType | undefined,
): { elements: TypedArray; dtype: DType } {
  if (!Array.isArray(data)) {
    const type = ELEMENT_TYPES.find(([array]) => data instanceof array)?.[1]
    if (type === undefined)
      throw invalid('data must be an array of numbers or a typed array of a type that tensors have')
    const dtype = wanted ?? type
    if (dtype !== type) checkValues(data as TypedArray, dtype)
    return { elements: unshared(data as TypedArray), dtype }
  }
  const values = data as readonly (number | bigint)[]
  const dtype = wanted ?? (typeof values[0] === 'bigint' ? 'int64' : 'float32')
  checkValues(values, dtype)
  if (dtype === 'int64') return { elements: BigInt64Array.from(values, BigInt), dtype }
  if (RANGES[dtype] !== undefined) return { elements: Int32Array.from(values as number[]), dtype }
  const exact = dtype === 'float64' ? Float64Array : Float32Array
  return { elements: exact.from(values as number[]), dtype }
}

function checkValues(values: ArrayLike<number | bigint>, dtype: DType): void {
  const range = RANGES[dtype]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    const fits =
      typeof value === 'number'
        ? range === undefined || (Number.isInteger(value) && value >= Number(range[0]) && within(BigInt(value), range))
        : typeof value === 'bigint' &&
          (dtype === 'int64' || ArrayBuffer.isView(values)) &&
          (range === undefined || within(value, range))
    if (!fits) throw invalid(`data[${i}]: ${describe(value)} is no ${dtype} value`)
  }
}

function within(value: bigint, [low, high]: readonly [bigint, bigint]): boolean {
  return value >= low && value <= high
}

/** The native side can't read memory that is shared between threads. */
function unshared(data: TypedArray): TypedArray {
  return data.buffer instanceof ArrayBuffer ? data : data.slice()
}

function describe(value: unknown): string {
  return typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function invalid(message: string): EspalierError {
  return new EspalierError('ERR_INVALID_ARGUMENT', message)
}
