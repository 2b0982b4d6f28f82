import { createHash } from 'node:crypto'

/** What something was made with, as plain data: two with the same description do the same. */
export type Description =
  | null
  | boolean
  | number
  | string
  | readonly Description[]
  | { readonly [key: string]: Description }

/** What a factory's product says of itself: its name and every option, defaults filled in. */
export interface Described {
  readonly description?: Description | undefined
}

/** Gives a function its description. */
export function describes<F extends (...args: never[]) => unknown>(fn: F, description: Description): F & Described {
  return Object.defineProperty(fn, 'description', { value: description }) as F & Described
}

/**
 * The description of a factory's product. Of a function of the caller's own: its name and a hash of its source, which knows
 * nothing of the variables around it; of an object of their own: its class and what it holds itself.
 */
export function descriptionOf(value: ((...args: never[]) => unknown) | object): Description {
  const own = (value as Described).description
  if (own !== undefined) return own
  if (typeof value === 'function') {
    const source = createHash('sha256').update(Function.prototype.toString.call(value)).digest('hex').slice(0, 16)
    return { name: value.name, source }
  }
  const held = Object.entries(value).flatMap(([key, member]): [string, Description][] => {
    if (typeof member === 'function') return [[key, descriptionOf(member)]]
    return ['number', 'string', 'boolean'].includes(typeof member) ? [[key, member]] : []
  })
  return { class: value.constructor?.name ?? 'Object', ...Object.fromEntries(held) }
}
