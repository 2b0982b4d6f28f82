import { inspect } from 'node:util'
import * as v from 'valibot'
import { EspalierError } from '../errors.js'
import type { Schema } from './kinds.js'

/** A parameter of a public call: its name and what it takes. */
export type Parameter<T> = readonly [name: string, schema: Schema<T>]

/** A public call and what its parameters take. */
export interface Signature<Values extends readonly unknown[]> {
  readonly name: string
  readonly parameters: { readonly [K in keyof Values]: Parameter<Values[K]> }
  /** @throws EspalierError ERR_INVALID_ARGUMENT, naming the option, what it was given, and what is expected */
  check(...values: Values): void
}

/** Says what a public call takes; its function begins with `check` of that. */
export function signature<Values extends readonly unknown[]>(
  name: string,
  ...parameters: { readonly [K in keyof Values]: Parameter<Values[K]> }
): Signature<Values> {
  return {
    name,
    parameters,
    check(...values) {
      parameters.forEach(([parameter, schema], k) => {
        // What is wrong with an option is told by its own path.
        const fault = faultOf(schema, values[k], parameter === 'options' ? '' : parameter, parameter)
        if (fault === undefined) return
        throw new EspalierError('ERR_INVALID_ARGUMENT', `${name}: ${fault.words}`, { hint: fault.hint })
      })
    },
  }
}

/** The same function for callers outside: a check inside would cost too much where it is called in loops. */
export function checked<Values extends readonly unknown[], R>(
  signature: Signature<Values>,
  fn: (...values: Values) => R,
): (...values: Values) => R {
  return Object.defineProperty(
    (...values: Values): R => {
      signature.check(...values)
      return fn(...values)
    },
    'name',
    { value: signature.name },
  )
}

export interface Fault {
  words: string
  hint?: string | undefined
}

/**
 * What is wrong with a value, in words; `undefined` when nothing is.
 *
 * @param prefix of the paths in it
 * @param whole what the value itself is called
 */
export function faultOf(schema: v.GenericSchema, value: unknown, prefix: string, whole: string): Fault | undefined {
  let issues: readonly v.BaseIssue<unknown>[] | undefined
  try {
    issues = v.safeParse(schema, value).issues
  } catch (error) {
    // A getter or a proxy of the caller's.
    return { words: `'${whole}' can't be read: ${shown(error)}` }
  }
  if (issues === undefined) return undefined
  const deep = issues.flatMap(inside)
  // A misspelled key first: what it was meant to be is missing, too.
  const issue = deep.find(({ expected }) => expected === 'never') ?? (deep[0] as v.BaseIssue<unknown>)
  const place = `'${(issue.path ?? []).map(({ key }) => key).reduce<string>(joined, prefix) || whole}'`
  if (issue.path?.at(-1)?.origin === 'key') return { words: `${place} ${issue.message}` }
  const given = issue.input
  const hint = typeof given === 'function' && given.name ? `Call it: ${given.name}(…)` : undefined
  return { words: `${place} must be ${issue.message}, not ${shown(given)}`, hint }
}

/** Of a choice of kinds, what is wrong inside of the one that the value got into. */
function inside(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] {
  const deeper = (issue.issues ?? []).filter(({ path }) => path !== undefined).flatMap(inside)
  if (deeper.length === 0) return [issue]
  return deeper.map((one) => ({ ...one, path: [...(issue.path ?? []), ...one.path!] }) as v.BaseIssue<unknown>)
}

const joined = (path: string, key: unknown): string =>
  typeof key === 'number' ? `${path}[${key}]` : path === '' ? String(key) : `${path}.${String(key)}`

/** A value in a few words. */
export function shown(value: unknown): string {
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function'
  try {
    const words = inspect(value, { depth: 0, maxArrayLength: 3, maxStringLength: 60, breakLength: Infinity })
    return words.length > 100 ? `${words.slice(0, 100)}…` : words
  } catch {
    return Object.prototype.toString.call(value)
  }
}
