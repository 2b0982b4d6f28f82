import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { nearest } from '../base/schema/nearest.js'
import { type Kind, namedOf, pairsOf, plainOf } from './named.js'

/** An option of a command: where it is in a config, how it is written on the command line, and what it is. */
export interface ConfigOption {
  /** `budget.macs`. On the command line it is `--budget-macs`, where it has no flag of its own. */
  path: string
  /** A flag of its own, without its value: `-i, --input`. */
  flag?: string
  /** What its value is called: `<part>`. */
  value: string
  help: string
  /** What `--no-…` says. */
  off?: string
  /** What its value is. */
  as: keyof typeof AS
  /** Of named things. */
  kind?: Kind
}

/** A config: plain data, or, where it comes from a program, functions, too. */
export interface Config {
  [key: string]: unknown
}

type Parse = (text: string, before: unknown) => unknown

/** How a value is read from the command line. Those that are lists may be given again and again. */
const AS = {
  text: (text: string) => text,
  texts: (text: string, before: unknown = []) => [...(before as unknown[]), text],
  plain: plainOf,
  named: namedOf,
  /** A part, or a path that may have options. */
  data: (text: string) => (Number.isFinite(Number(text)) ? Number(text) : namedOf(text)),
  nameds: (text: string, before: unknown = []) => [...(before as unknown[]), namedOf(text)],
  json: jsonOf,
  /** `macs=0.5,bytes=10MB`: an object, whose keys are options of their own, too. */
  pairs: (text: string, before: unknown = {}) => ({ ...(before as Config), ...pairsOf(text) }),
  /** `all`, or names with commas between them. */
  names: (text: string) => (text === 'all' ? true : text.split(',').map((name) => name.trim())),
  switch: () => true,
} satisfies Record<string, Parse>

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${shown(text)} is no JSON: ${(error as Error).message}`)
  }
}

/** The value of an option on the command line. */
export const parsed = ({ as }: ConfigOption, text: string, before: unknown): unknown => (AS[as] as Parse)(text, before)

/** `sparse.batchSize` is `--sparse-batch-size`. */
export const flagOf = ({ path, flag }: ConfigOption): string =>
  flag ?? `--${path.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Puts a value to its place. */
export function put(config: Config, path: string, value: unknown): void {
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) {
    config[first] = value
    return
  }
  const inner = config[first]
  const next: Config = isObject(inner) ? { ...inner } : {}
  put(next, rest.join('.'), value)
  config[first] = next
}

export function valueAt(config: Config, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), config)
}

/** One config over another: objects are joined up to the options, all else is replaced. */
export function over(config: Config, others: Config, options: readonly ConfigOption[]): Config {
  const joined: Config = {}
  for (const { path } of options) {
    if (isClosed(joined, path)) continue
    const [own, other] = [valueAt(config, path), valueAt(others, path)]
    const value = other ?? own
    if (value !== undefined) put(joined, path, value)
  }
  return joined
}

/** Whether what holds an option was said to be none, such as `finetune: false` of `finetune.epochs`. */
const isClosed = (config: Config, path: string): boolean =>
  path.split('.').some((_, k, keys) => {
    const value = k === 0 ? undefined : valueAt(config, keys.slice(0, k).join('.'))
    return value !== undefined && !isObject(value)
  })

/**
 * A config must have no key that no option has.
 *
 * @throws ERR_INVALID_ARGUMENT with the nearest
 */
export function mustBeKnown(config: Config, options: readonly ConfigOption[], where: string, prefix = ''): void {
  for (const [key, value] of Object.entries(config)) {
    const path = prefix + key
    // What is said by pairs is looked at key by key.
    if (options.some((option) => option.path === path && option.as !== 'pairs')) continue
    if (options.some((option) => option.path.startsWith(`${path}.`))) {
      if (isObject(value)) {
        mustBeKnown(value, options, where, `${path}.`)
        continue
      }
      throw new EspalierError('ERR_INVALID_ARGUMENT', `${where}: '${path}' must be an object, not ${shown(value)}`)
    }
    const known = options.map((option) => option.path)
    const meant = nearest(path, known)
    const words = meant === undefined ? `known are ${known.join(', ')}` : `did you mean '${meant}'?`
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${where}: '${path}' is unknown: ${words}`)
  }
}

const isObject = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
