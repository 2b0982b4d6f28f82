import type { TypedArray } from '../../../torch/index.js'
import { unreadable } from './unreadable.js'

/** How elements of a file become those of a typed array that tensors have. */
export interface ElementType {
  /** Of an element in the file. */
  readonly bytes: number
  /** The elements, little-endian. A buffer of its own, which the array may keep. */
  decode(buffer: ArrayBuffer): TypedArray
}

/** Element types of files, by the names of NumPy without the byte order, and `bf16`. */
export const ELEMENT_TYPES = {
  f8: { bytes: 8, decode: (buffer) => new Float64Array(buffer) },
  f4: { bytes: 4, decode: (buffer) => new Float32Array(buffer) },
  f2: { bytes: 2, decode: (buffer) => mapped(new Uint16Array(buffer), Float32Array, halfToNumber) },
  bf16: { bytes: 2, decode: bfloatToFloat },
  i8: { bytes: 8, decode: (buffer) => new BigInt64Array(buffer) },
  i4: { bytes: 4, decode: (buffer) => new Int32Array(buffer) },
  i2: { bytes: 2, decode: (buffer) => new Int16Array(buffer) },
  i1: { bytes: 1, decode: (buffer) => new Int8Array(buffer) },
  u4: { bytes: 4, decode: (buffer) => mapped(new Uint32Array(buffer), BigInt64Array, BigInt) },
  u2: { bytes: 2, decode: (buffer) => new Int32Array(new Uint16Array(buffer)) },
  u1: { bytes: 1, decode: (buffer) => new Uint8Array(buffer) },
  b1: { bytes: 1, decode: (buffer) => mapped(new Uint8Array(buffer), Uint8Array, (byte) => Number(byte !== 0)) },
} as const satisfies Readonly<Record<string, ElementType>>

/** IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The upper half of a float32. */
function bfloatToFloat(buffer: ArrayBuffer): Float32Array {
  return new Float32Array(mapped(new Uint16Array(buffer), Uint32Array, (half) => half << 16).buffer)
}

/** As `Out.from(elements, change)`, which would hold all of them in a list first. */
function mapped<T extends number | bigint, Out extends { [index: number]: T }>(
  elements: Uint8Array | Uint16Array | Uint32Array,
  Out: new (length: number) => Out,
  change: (element: number) => T,
): Out {
  const out = new Out(elements.length)
  for (let i = 0; i < elements.length; i++) out[i] = change(elements[i]!)
  return out
}

/** Most dimensions of an array: NumPy's own bound. */
const MAX_RANK = 64

/**
 * Product of the sizes that a file gives.
 *
 * @throws EspalierError ERR_READ for sizes that are none, or too large a product
 */
export function elementsOf(shape: unknown, name: string): { sizes: readonly number[]; elements: number } {
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  if (!isShape) throw unreadable(name, `its shape ${JSON.stringify(shape)} is no list of sizes`)
  if (shape.length > MAX_RANK) throw unreadable(name, `it has ${shape.length} dimensions`)
  // A size of 0 hides an overflow of the others.
  let product = 1
  for (const size of shape as number[]) {
    product *= Math.max(1, size)
    if (!Number.isSafeInteger(product)) throw unreadable(name, `its shape [${shape.join(', ')}] overflows`)
  }
  return { sizes: shape as number[], elements: shape.includes(0) ? 0 : product }
}
