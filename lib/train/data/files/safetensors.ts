import { path, signature } from '../../../base/schema/index.js'
import type { ArrayData } from '../dataset.js'
import { ELEMENT_TYPES, type ElementType, elementsOf } from './elements.js'
import { type Source, withSource } from './source.js'
import { unreadable } from './unreadable.js'

/** @internal */
export const READ_SAFETENSORS = signature('readSafetensors', ['path', path])

/**
 * Reads the arrays of a safetensors file, by their names. `F16` and `BF16` come as `Float32Array`, `BOOL` as `Uint8Array` of 0 and 1, `U16` as
 * `Int32Array` and `U32` as `BigInt64Array`.
 *
 * @throws EspalierError ERR_READ for a file that can't be read, is damaged, or holds another type
 * @example
 * ```ts
 * import { readSafetensors } from 'espalier'
 *
 * const { images } = await readSafetensors('data.safetensors')
 * console.log(images!.shape) // [ 6, 3, 8, 8 ]
 * ```
 */
export async function readSafetensors(path: string): Promise<Record<string, ArrayData>> {
  READ_SAFETENSORS.check(path)
  return await withSource(path, decode)
}

/** Of a header: the format's own bound. */
const MAX_HEADER = 100_000_000

const TYPES: Readonly<Record<string, ElementType>> = {
  F64: ELEMENT_TYPES.f8,
  F32: ELEMENT_TYPES.f4,
  F16: ELEMENT_TYPES.f2,
  BF16: ELEMENT_TYPES.bf16,
  I64: ELEMENT_TYPES.i8,
  I32: ELEMENT_TYPES.i4,
  I16: ELEMENT_TYPES.i2,
  I8: ELEMENT_TYPES.i1,
  U32: ELEMENT_TYPES.u4,
  U16: ELEMENT_TYPES.u2,
  U8: ELEMENT_TYPES.u1,
  BOOL: ELEMENT_TYPES.b1,
}

/** An array where the header says that it is. */
interface Placed {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

async function decode(source: Source): Promise<Record<string, ArrayData>> {
  const { name, size } = source
  if (size < 8) throw unreadable(name, 'it is too short for a safetensors file')
  const length = new DataView(await source.read(0, 8)).getBigUint64(0, true)
  if (length > MAX_HEADER) throw unreadable(name, `its header of ${length} bytes is longer than ${MAX_HEADER}`)
  const from = 8 + Number(length)
  if (from > size) throw unreadable(name, `its header is of ${length} bytes, and the file of ${size}`)
  const placed = parseHeader(await source.read(8, Number(length)), name)
  mustFill(placed, size - from, name)
  const arrays: [string, ArrayData][] = []
  for (const { name, type, shape, begin, end } of placed) {
    arrays.push([name, { data: type.decode(await source.read(from + begin, end - begin)), shape }])
  }
  // Own properties, whatever the names are.
  return Object.fromEntries(arrays)
}

function parseHeader(bytes: ArrayBuffer, file: string): Placed[] {
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw unreadable(file, 'its header is no JSON', undefined, cause)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw unreadable(file, 'its header is no object')
  }
  return Object.entries(header).flatMap(([name, entry]) => (name === '__metadata__' ? [] : [place(name, entry, file)]))
}

function place(name: string, entry: unknown, file: string): Placed {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
  const where = `${file}: ${name}`
  const type = typeof dtype === 'string' && Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined
  if (type === undefined) throw unreadable(where, `its dtype ${JSON.stringify(dtype)} is none that tensors have`)
  const isRange = Array.isArray(offsets) && offsets.length === 2 && offsets.every(Number.isSafeInteger)
  if (!isRange) throw unreadable(where, 'its data_offsets are no two numbers')
  const [begin, end] = offsets as [number, number]
  const { sizes, elements } = elementsOf(shape, where)
  if (end - begin !== elements * type.bytes) {
    const words = `[${sizes.join(', ')}] of ${dtype} takes ${elements * type.bytes} bytes`
    throw unreadable(where, `${words}, and its data_offsets give it ${end - begin}`)
  }
  return { name, type, shape: sizes, begin, end }
}

/** One after the other the arrays fill what is behind the header: nothing twice, nothing left over. */
function mustFill(placed: Placed[], bytes: number, file: string): void {
  placed.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = 0
  for (const { name, begin, end } of placed) {
    if (begin !== at) throw unreadable(file, `'${name}' begins at byte ${begin} of the data, not at ${at}`)
    at = end
  }
  if (at !== bytes) throw unreadable(file, `its arrays take ${at} bytes, and it has ${bytes}`)
}
