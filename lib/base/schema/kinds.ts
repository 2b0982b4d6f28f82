/** Kinds of values that calls take. The words of each say what is expected; they end the sentence `'x' must be …`. */
import * as v from 'valibot'
import { nearest } from './nearest.js'

declare const exactly: unique symbol
/** A schema of exactly `T`: neither more nor less, so that a type and its schema can't drift apart. */
export type Schema<T> = v.GenericSchema & { readonly [exactly]?: (value: T) => T }

/** A schema for every key of `T`, and for no other. */
export type Entries<T> = { readonly [K in keyof T]-?: Schema<T[K]> }

/** @internal What a schema object holds beside what valibot makes of it. */
interface Described {
  readonly words: string
}

const described = <T>(schema: v.GenericSchema, words: string): Schema<T> => Object.assign(schema, { words })

const wordsOf = (schema: v.GenericSchema): string => (schema as unknown as Described).words

export interface Range {
  /** The least and the largest value that will do. */
  min?: number
  max?: number
  /** Limits that will not do. */
  above?: number
  below?: number
  integer?: boolean
}

/** A finite number in a range. */
export function number({ min, max, above, below, integer = false }: Range = {}): Schema<number> {
  const low = min !== undefined ? `${min}` : above !== undefined ? `above ${above}` : undefined
  const high = max !== undefined ? `to ${max}` : below !== undefined ? `to below ${below}` : undefined
  const range =
    low === undefined ? high : high === undefined ? (above === undefined ? `of at least ${low}` : low) : undefined
  const words = [integer ? 'an integer' : 'a number', range ?? (high === undefined ? undefined : `from ${low} ${high}`)]
  const fits = (value: unknown): boolean =>
    typeof value === 'number' &&
    (integer ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    !(value < (min ?? value) || value > (max ?? value) || value <= (above ?? -Infinity) || value >= (below ?? Infinity))
  const said = words.filter(Boolean).join(' ')
  return described(v.custom<number>(fits, said), said)
}

/** An integer of at least `low`. */
export const count = (low = 1): Schema<number> => number({ min: low, integer: true })

export const flag: Schema<boolean> = described(v.boolean('true or false'), 'true or false')

export const text = (words = 'a text'): Schema<string> => described(v.string(words), words)

/** A path. */
export const path: Schema<string> = thing(
  'a path, without a NUL character',
  (value) => typeof value === 'string' && !value.includes('\0'),
)

export function oneOf<const T extends string>(...values: readonly T[]): Schema<T> {
  const quoted = values.map((value) => `'${value}'`)
  const words = [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or ')
  return described(v.picklist(values, words), words)
}

export function func<T>(words = 'a function'): Schema<T> {
  return described(v.function(words), words)
}

/** What no other kind says: `words`, and whether a value is one. */
export function thing<T>(words: string, fits: (value: unknown) => boolean): Schema<T> {
  return described(v.custom<T>(fits, words), words)
}

export const signal: Schema<AbortSignal> = thing('an AbortSignal', (value) => value instanceof AbortSignal)

/** An object of whatever class with at least these members. */
export function like<T>(words: string, members: { readonly [K in keyof T]?: v.GenericSchema }): Schema<T> {
  const inner = v.looseObject(members as v.ObjectEntries)
  return thing(words, (value) => typeof value === 'object' && value !== null && v.is(inner, value))
}

/** An array whose items are looked at where they are used. */
export const array = <T>(words: string): Schema<readonly T[]> => thing(words, Array.isArray)

export function list<T>(item: Schema<T>, words: string): Schema<readonly T[]> {
  return described(v.array(item, words), words)
}

export function pair<T>(item: Schema<T>, words: string): Schema<readonly [T, T]> {
  return described(v.strictTuple([item, item], words), words)
}

export function maybe<T>(schema: Schema<T>): Schema<T | undefined> {
  return described(v.optional(schema), wordsOf(schema))
}

/** A schema, and a rule that what fits it must keep, too. */
export function refined<T>(schema: Schema<T>, words: string, fits: (value: T) => boolean): Schema<T> {
  return described(v.pipe(schema as v.GenericSchema<T>, v.check(fits, words)), wordsOf(schema))
}

/** What in a value does not fit, where, and what is expected there. */
export interface Misfit {
  path: readonly (string | number)[]
  words: string
  value: unknown
}

/** What is too large to be described kind by kind: a function finds the first misfit. */
export function walked<T>(words: string, misfitOf: (value: unknown) => Misfit | undefined): Schema<T> {
  const find = v.rawCheck<unknown>(({ dataset, addIssue }) => {
    const misfit = misfitOf(dataset.value)
    if (misfit === undefined) return
    const [first, ...rest] = misfit.path.map(
      (key) => ({ type: 'unknown', origin: 'value', input: misfit.value, key, value: misfit.value }) as const,
    )
    addIssue({ message: misfit.words, input: misfit.value, ...(first && { path: [first, ...rest] }) })
  })
  return described(v.pipe(v.unknown(), find), words)
}

/** The first kind that fits. */
export function either<Values extends readonly unknown[]>(
  words: string,
  ...schemas: { readonly [K in keyof Values]: Schema<Values[K]> }
): Schema<Values[number]> {
  return described(v.union(schemas as readonly v.GenericSchema[], words), words)
}

/** A plain object with these keys and no others. */
export function object<T extends object>(entries: Entries<T>, words = 'an object'): Schema<T> {
  const known = entries as v.ObjectEntries
  const message = ({ path, expected }: v.StrictObjectIssue): string => {
    const key = String(path?.at(-1)?.key)
    if (expected !== 'never') return `is missing: it must be ${wordsOf(known[key] as v.GenericSchema)}`
    const meant = nearest(key, Object.keys(known))
    return meant === undefined
      ? `is unknown; known are ${Object.keys(known).join(', ')}`
      : `is unknown: did you mean '${meant}'?`
  }
  return described(v.pipe(v.custom(isPlain, words), v.strictObject(known, message)), words)
}

/** An object from any names to values of one kind. */
export function dictionary<T>(value: Schema<T>, words: string): Schema<Readonly<Record<string, T>>> {
  return described(v.pipe(v.custom(isPlain, words), v.record(v.string(), value, words)), words)
}

/** Also from another realm, and without a prototype; no array, no Map, nothing of a class. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
