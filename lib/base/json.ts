/**
 * JSON that gives back exactly what it was made of: also Maps and Sets, infinities, NaN, -0 and whole numbers of 64 bits. What
 * JSON has no form for is an object with one key: `{ "$map": [[key, value], …] }`, `{ "$set": […] }`, `{ "$number": "Infinity" }`,
 * `{ "$bigint": "5" }`. All else is as `JSON.stringify` writes it.
 */

type Plain = Record<string, unknown>

/** By key, how a value is read back. */
const READ: Readonly<Record<string, (content: never) => unknown>> = {
  $map: (entries: [unknown, unknown][]) => new Map(entries),
  $set: (items: unknown[]) => new Set(items),
  $number: Number,
  $bigint: BigInt,
  // An object of somebody's whose own key looks like one of these.
  $object: (entries: [string, unknown][]) => Object.fromEntries(entries),
}

function written(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { $number: '-0' }
    return Number.isFinite(value) ? value : { $number: String(value) }
  }
  if (value instanceof Map) return { $map: [...value] }
  if (value instanceof Set) return { $set: [...value] }
  return formOf(value) === undefined ? value : { $object: Object.entries(value as Plain) }
}

function read(_key: string, value: unknown): unknown {
  const form = formOf(value)
  return form === undefined ? value : READ[form]!((value as Plain)[form] as never)
}

/** The only key of an object, when it is one of the forms. */
function formOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const [key, ...more] = Object.keys(value)
  return key !== undefined && more.length === 0 && Object.hasOwn(READ, key) ? key : undefined
}

/** @param space as of `JSON.stringify` */
export function toJson(value: unknown, space?: number): string {
  return JSON.stringify(value, written, space)
}

/** @throws SyntaxError for what is no such text */
export function fromJson(text: string): unknown {
  return JSON.parse(text, read)
}
