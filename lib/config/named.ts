import type { Description } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { nearest } from '../base/schema/nearest.js'
import { criteria, groupL1, groupL2 } from '../importance/index.js'
import { bnScale, constantL2, fading, greg1, greg2, groupLasso, growing } from '../regularize/index.js'
import { adamw, losses, lr, metrics, randomShift, sgd } from '../train/index.js'

/** What can be said by a name, or by a name and options: `'growing'`, `{ name: 'growing', strength: 4 }`. */
const FACTORIES = {
  importance: { groupL1, groupL2, ...criteria },
  regularizer: { bnScale, constantL2, fading, greg1, greg2, groupLasso, growing },
  optimizer: { adamw, sgd },
  schedule: lr,
  loss: losses,
  metric: { ...metrics, topK: ({ k }: { k: number }) => metrics.topK(k) },
  augment: { randomShift },
} as const

export type Kind = keyof typeof FACTORIES

/** Kinds whose names alone mean something to the call itself. */
const BY_NAME: ReadonlySet<Kind> = new Set(['optimizer', 'loss', 'metric'])

/** A thing by its name and options, as data. */
export type Named = string | { readonly name: string; readonly [option: string]: Description }

/**
 * What a name stands for; what is none, such as a function of one's own, stays as it is.
 *
 * @throws ERR_INVALID_ARGUMENT for a name that is none, with the nearest, and for options that it doesn't take
 */
export function made(kind: Kind, value: unknown): unknown {
  if (typeof value === 'string' && BY_NAME.has(kind)) return value
  if (typeof value !== 'string' && !isNamed(value)) return value
  const { name, ...options } = typeof value === 'string' ? { name: value } : value
  const known = FACTORIES[kind] as unknown as Readonly<Record<string, (options?: object) => object>>
  if (!Object.hasOwn(known, name)) {
    const meant = nearest(name, Object.keys(known))
    const words = meant === undefined ? `known are ${Object.keys(known).join(', ')}` : `did you mean '${meant}'?`
    throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no ${kind} ${shown(name)}: ${words}`)
  }
  return known[name]?.(Object.keys(options).length === 0 ? undefined : options)
}

/** Things that were made have functions, or are of a class; names with options are neither. */
function isNamed(value: unknown): value is { name: string } {
  if (typeof value !== 'object' || value === null || typeof (value as { name?: unknown }).name !== 'string')
    return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) return false
  return Object.values(value).every((each) => typeof each !== 'function')
}

/** `growing:strength=4,target=plan`, as data. */
export function namedOf(text: string): Named {
  // A colon behind the letter of a drive is part of a path.
  const [, name = text, rest] = /^((?:[A-Za-z]:[\\/])?[^:]*):(?![\\/])(.*)$/s.exec(text) ?? []
  if (rest === undefined) return name
  const hint = "Write the name, and options behind a colon: 'growing:strength=4,target=plan'."
  return { ...pairsOf(rest, { of: text, hint }), name }
}

/** `macs=0.5,bytes=10MB`, as data. */
export function pairsOf(
  text: string,
  { of = text, hint = "Write names and values: 'macs=0.5,bytes=10MB'." } = {},
): Readonly<Record<string, Description>> {
  const pairs = text.split(',').map((part): [string, Description] => {
    const at = part.indexOf('=')
    if (at > 0) return [part.slice(0, at).trim(), plainOf(part.slice(at + 1))]
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${shown(of)}: ${shown(part)} is no option with a value`, { hint })
  })
  return Object.fromEntries(pairs)
}

/** A number, true, false or null; else the text. */
export function plainOf(text: string): Description {
  if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text === 'null' ? null : text
}
