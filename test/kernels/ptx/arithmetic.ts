// What instructions compute. A register holds bits: a number below 2^32, a bigint for 64 of them, a boolean for a predicate.

export type Value = number | bigint | boolean

const words = new Uint32Array(1)
const floats = new Float32Array(words.buffer)

export function toFloat(bits: Value): number {
  words[0] = Number(bits)
  return floats[0]!
}
export function fromFloat(value: number): number {
  floats[0] = value
  return words[0]!
}

/** The nearest 16-bit float with so many bits of exponent and of fraction, ties to even. */
export function toSixteen(value: number, exponentBits: number, fractionBits: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const bias = 2 ** (exponentBits - 1) - 1
  const infinity = (2 ** exponentBits - 1) * 2 ** fractionBits
  if (Number.isNaN(value)) return 0x7fff
  const size = Math.abs(value)
  if (size === 0) return sign
  if (size === Number.POSITIVE_INFINITY) return sign | infinity
  const exponent = Math.max(Math.floor(Math.log2(size)), 1 - bias)
  const scaled = size / 2 ** (exponent - fractionBits)
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const rounded = floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0)
  return sign | Math.min((exponent + bias - 1) * 2 ** fractionBits + rounded, infinity)
}
export function fromSixteen(bits: number, exponentBits: number, fractionBits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const bias = 2 ** (exponentBits - 1) - 1
  const exponent = (bits & 0x7fff) >> fractionBits
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias))
}
export const SIXTEEN: Readonly<Record<string, readonly [exponent: number, fraction: number]>> = {
  f16: [5, 10],
  bf16: [8, 7],
}

/** Of two numbers one that is no NaN, as fmin and fmax. */
const unlessNaN = (choose: (a: number, b: number) => number) => (a: number, b: number) =>
  Number.isNaN(a) ? b : Number.isNaN(b) ? a : choose(a, b)

export const FLOAT: Readonly<Record<string, (a: number, b: number, c: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  fma: (a, b, c) => a * b + c,
  div: (a, b) => a / b,
  rcp: (a) => 1 / a,
  sqrt: (a) => Math.sqrt(a),
  abs: (a) => Math.abs(a),
  neg: (a) => -a,
  min: unlessNaN((a, b) => Math.min(a, b)),
  max: unlessNaN((a, b) => Math.max(a, b)),
}

export const INTEGER: Readonly<Record<string, (a: bigint, b: bigint, c: bigint) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  mad: (a, b, c) => a * b + c,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a,
  neg: (a) => -a,
  shl: (a, b) => (b > 63n ? 0n : a << b),
  shr: (a, b) => (b > 63n ? (a < 0n ? -1n : 0n) : a >> b),
  min: (a, b) => (a < b ? a : b),
  max: (a, b) => (a > b ? a : b),
}

/** The same for 32 bits, without bigints: most instructions are these. Results are cut to 32 bits by `>>> 0`. */
export const INTEGER32: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  not: (a) => ~a,
  min: (a, b) => Math.min(a, b),
  max: (a, b) => Math.max(a, b),
}

export const PREDICATE: Readonly<Record<string, (a: boolean, b: boolean) => boolean>> = {
  not: (a) => !a,
  and: (a, b) => a && b,
  or: (a, b) => a || b,
  xor: (a, b) => a !== b,
}

const ORDER: Readonly<Record<string, <T extends number | bigint>(a: T, b: T) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
}
/** Comparisons; of floats, a `u` at the end makes them hold for a NaN, and others than `ne` don't. */
export function compare(how: string, a: number | bigint, b: number | bigint): boolean {
  const unordered = typeof a === 'number' && (Number.isNaN(a) || Number.isNaN(b))
  if (how === 'nan') return unordered
  if (how === 'num') return !unordered
  const ordered = ORDER[how]
  if (ordered !== undefined) return unordered ? false : ordered(a, b)
  const otherwise = ORDER[how.slice(0, -1)]
  if (!how.endsWith('u') || otherwise === undefined) throw new Error(`unknown comparison .${how}`)
  return unordered || otherwise(a, b)
}
