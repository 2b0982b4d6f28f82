import type { Schema } from '../../lib/base/schema/index.js'

/** A schema as valibot holds it: of an object, of what may be left out, or of several steps. */
interface Held {
  entries?: Readonly<Record<string, Held>>
  wrapped?: Held
  pipe?: readonly Held[]
}

/** The paths of all options that are no objects of options themselves. */
export function leavesOf(schema: Schema<never> | object, prefix = ''): string[] {
  const entries = entriesOf(schema as Held)
  if (entries === undefined) return [prefix]
  return Object.entries(entries).flatMap(([key, inner]) => leavesOf(inner, prefix === '' ? key : `${prefix}.${key}`))
}

function entriesOf({ entries, wrapped, pipe }: Held): Held['entries'] {
  if (entries !== undefined) return entries
  if (wrapped !== undefined) return entriesOf(wrapped)
  // Its own schema is the first step of a pipe.
  for (const step of pipe?.filter((each) => each !== undefined) ?? []) {
    const inner = entriesOf({ ...step, ...(step.pipe?.[0] === step && { pipe: [] }) })
    if (inner !== undefined) return inner
  }
  return undefined
}
