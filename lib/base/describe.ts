import { createHash } from 'node:crypto'

/** What something was made with, as plain data: two with the same description do the same. */
export type Description =
  | null
  | boolean
  | number
  | string
  | readonly Description[]
  | { readonly [key: string]: Description }

/**
 * What a factory's product says of itself: its name and every option, defaults filled in. An option that a version adds is in it
 * only where it is not at its default: what older versions wrote is then the same.
 */
export interface Described {
  readonly description?: Description | undefined
}

/** Gives a function or an object its description, which may be one that is made when it is first asked for. */
export function describes<T extends object>(it: T, description: Description | (() => Description)): T & Described {
  if (typeof description !== 'function') return Object.defineProperty(it, 'description', { value: description })
  let made: Description | undefined
  return Object.defineProperty(it, 'description', { get: () => (made ??= description()) })
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
