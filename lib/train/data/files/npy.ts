import { path, signature } from '../../../base/schema/index.js'
import type { TypedArray } from '../../../torch/index.js'
import type { ArrayData } from '../dataset.js'
import { ELEMENT_TYPES, type ElementType, elementsOf } from './elements.js'
import { type Source, withSource } from './source.js'
import { unreadable } from './unreadable.js'

/** @internal */
export const READ_NPY = signature('readNpy', ['path', path])

/**
 * Reads an array that NumPy saved (`.npy`, versions 1 to 3).
 *
 * Types `f4 f8 i1 i2 i4 i8 u1` are as they are; `b1` comes as `Uint8Array` of 0 and 1, `f2` as `Float32Array`, `u2` as `Int32Array`
 * and `u4` as `BigInt64Array`. An array in Fortran order is put into row-major order.
 *
 * @throws EspalierError ERR_READ for a file that can't be read, is damaged, has bytes left over, or holds another type: big-endian numbers,
 *   complex ones, texts, Python objects
 * @example
 * ```ts
 * import { inMemory, readNpy } from 'espalier'
 *
 * const images = await readNpy('images.npy')
 * console.log(images.data.constructor.name, images.shape) // Float32Array [ 6, 3, 8, 8 ]
 * console.log(inMemory(images, await readNpy('classes.npy')).size) // 6
 * ```
 */
export async function readNpy(path: string): Promise<ArrayData> {
  READ_NPY.check(path)
  return await withSource(path, decodeNpy)
}

const MAGIC = '\x93NUMPY'
/** Of a header; NumPy itself takes 10,000 bytes, unless it is told to trust the file. */
const MAX_HEADER = 65_536

/** @throws EspalierError ERR_READ */
export async function decodeNpy(source: Source): Promise<ArrayData> {
  const { name, size } = source
  const start = new DataView(await source.read(0, Math.min(size, 12)))
  const magic = String.fromCharCode(...new Uint8Array(start.buffer, 0, Math.min(size, 6)))
  if (magic !== MAGIC) throw unreadable(name, 'it is no .npy file')
  if (size < 12) throw unreadable(name, 'it is truncated')
  const version = start.getUint8(6)
  if (version < 1 || version > 3) throw unreadable(name, `it is of version ${version} of the format; 1 to 3 are known`)
  const [from, length] = version === 1 ? [10, start.getUint16(8, true)] : [12, start.getUint32(8, true)]
  if (length > MAX_HEADER) throw unreadable(name, `its header of ${length} bytes is longer than ${MAX_HEADER}`)
  if (length > size - from) throw unreadable(name, 'its header is truncated')
  const header = parseHeader(new TextDecoder().decode(await source.read(from, length)), name)
  const type = typeOf(header.descr, name)
  const { sizes: shape, elements } = elementsOf(header.shape, name)
  const bytes = size - from - length
  if (elements * type.bytes !== bytes) {
    const words = `an array [${shape.join(', ')}] of ${header.descr} takes ${elements * type.bytes} bytes`
    throw unreadable(name, `${words}, and it has ${bytes}`)
  }
  const data = type.decode(await source.read(from + length, bytes))
  return { data: header.fortran_order ? toRowMajor(data, shape) : data, shape }
}

interface Header {
  descr: unknown
  fortran_order: boolean
  shape: unknown
}

/** The text of a Python dict with texts, numbers, tuples and booleans. */
function parseHeader(text: string, name: string): Header {
  const json = text
    .replaceAll("'", '"')
    .replaceAll('(', '[')
    .replaceAll(')', ']')
    .replace(/\bTrue\b/g, 'true')
    .replace(/\bFalse\b/g, 'false')
    // Python 2 wrote long integers so.
    .replace(/(\d)L\b/g, '$1')
    .replace(/,\s*([\]}])/g, '$1')
  let header: Partial<Header> | undefined
  try {
    header = JSON.parse(json) as Partial<Header>
  } catch {
    // Told below.
  }
  if (typeof header?.fortran_order !== 'boolean' || header.descr === undefined || header.shape === undefined) {
    throw unreadable(name, 'its header is no dict of descr, fortran_order and shape')
  }
  return header as Header
}

function typeOf(descr: unknown, name: string): ElementType {
  if (typeof descr !== 'string') throw unreadable(name, 'it has named fields (a structured dtype)')
  // A pickle is a program: it is never looked at.
  if (descr.includes('O')) throw unreadable(name, `it holds Python objects (dtype ${descr})`, 'Save numbers.')
  const [, order, kind] = /^([<|>=])([a-z]\d+)$/.exec(descr) ?? []
  const type = Object.entries<ElementType>(ELEMENT_TYPES).find(([each]) => each === kind)?.[1]
  if (type === undefined || (order !== '<' && type.bytes > 1)) {
    throw unreadable(name, `its dtype ${descr} is none that tensors have`, "In Python: array.astype('<f4').")
  }
  return type
}

/** From the order in which the first index runs fastest to that in which the last one does. */
function toRowMajor(data: TypedArray, shape: readonly number[]): TypedArray {
  const out = data.slice()
  const steps = shape.map((_, d) => shape.slice(0, d).reduce((product, size) => product * size, 1))
  const index = shape.map(() => 0)
  let from = 0
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from] as never
    for (let d = shape.length - 1; d >= 0; d--) {
      from += steps[d]!
      if (++index[d]! < shape[d]!) break
      from -= steps[d]! * shape[d]!
      index[d] = 0
    }
  }
  return out
}
