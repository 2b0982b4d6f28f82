import * as v from 'valibot'

/** One value of every kind that a caller may pass by mistake. */
const KINDS: readonly unknown[] = [
  ...[undefined, null, true, Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 5n, '5', '', Symbol('s')],
  ...[{}, [], [undefined], new Map(), new Date(0), new Float32Array(1), () => undefined, class {}],
]

export interface Wrong {
  /** Where it is in the arguments; what the error must name is its last part. */
  path: readonly (string | number)[]
  value: unknown
}

interface Parts {
  entries?: Record<string, v.GenericSchema>
  pipe?: readonly v.GenericSchema[]
  wrapped?: v.GenericSchema
  options?: readonly v.GenericSchema[]
}

/** The schemas of the keys, when it is an object that is known key by key. */
function entriesOf(schema: v.GenericSchema): Record<string, v.GenericSchema> | undefined {
  const { entries, pipe, wrapped, options } = schema as unknown as Parts
  const inner = [...(pipe ?? []), ...(wrapped ? [wrapped] : []), ...(Array.isArray(options) ? options : [])]
  return (
    entries ??
    inner
      .filter((each) => typeof each === 'object')
      .map(entriesOf)
      .find(Boolean)
  )
}

/** Wrong values for a schema and everything in it, generated from it; `valid` is filled in around them. */
export function* wrongFor(schema: v.GenericSchema, path: readonly (string | number)[]): Generator<Wrong> {
  for (const value of KINDS) if (!v.is(schema, value)) yield { path, value }
  const entries = entriesOf(schema)
  if (entries === undefined) return
  const [first = ''] = Object.keys(entries)
  yield { path: [...path, `${first}s`], value: 1 }
  for (const [key, inner] of Object.entries(entries)) yield* wrongFor(inner, [...path, key])
}

/** The arguments with one value in them replaced; objects on the way are copied, and made where there are none. */
export function replaced(valid: unknown, [key, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (key === undefined) return value
  const copy = (Array.isArray(valid) ? [...valid] : { ...(valid as object) }) as Record<string | number, unknown>
  copy[key] = replaced(copy[key], rest, value)
  return copy
}
