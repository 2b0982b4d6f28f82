/** How much a budget asks for, as it is written. */

/** What a budget counts in. */
export interface Unit {
  /** Factors by what stands behind a number: `{ ms: 1, s: 1000 }`. */
  readonly suffixes: Readonly<Record<string, number>>
  /** Whether a whole number above 1 says how many; else it needs a unit. */
  readonly plain: boolean
  /** For messages: `a time with its unit`. */
  readonly words: string
  /** An amount in words: `8.25 ms`. */
  readonly show: (amount: number) => string
}

const withCommas = (amount: number): string => Math.round(amount).toLocaleString('en-US')

/** A number with so much as is read of it: `8.25`, `123`. */
const short = (amount: number): string => (amount >= 100 ? amount.toFixed(0) : `${Number(amount.toPrecision(3))}`)

export const COUNT: Unit = {
  suffixes: { k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  plain: true,
  words: "a whole number above 1, such as 4e8 or '400M'",
  show: withCommas,
}

export const BYTES: Unit = {
  suffixes: {
    ...{ B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 },
    ...{ KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
  },
  plain: false,
  words: "a size with its unit, such as '10MB' or '512KiB'",
  show(amount) {
    const [unit, factor] = amount >= 1e9 ? ['GB', 1e9] : amount >= 1e6 ? ['MB', 1e6] : amount >= 1e3 ? ['kB', 1e3] : []
    return factor === undefined ? `${withCommas(amount)} B` : `${short(amount / factor)} ${unit}`
  },
}

/** In milliseconds. */
export const TIME: Unit = {
  suffixes: { us: 1e-3, µs: 1e-3, ms: 1, s: 1e3 },
  plain: false,
  words: "a time with its unit, such as '8ms' or '0.5s'",
  show: (amount) => `${short(amount)} ms`,
}

/** `0.5` and `'50%'` are parts of what the whole model costs; `4e8`, `'400M'`, `'10MB'` and `'8ms'` stand for themselves. */
export type BudgetTarget = number | string

/**
 * The amount that a target is: `0.5` and `'50%'` are parts of the whole; `4e8`, `'400M'`, `'10MB'` and `'8ms'` stand for themselves.
 *
 * @param whole what the whole model costs, in the unit's own amounts
 * @returns undefined for what is none
 */
export function targetOf(target: unknown, unit: Unit, whole: number): number | undefined {
  if (typeof target === 'number') {
    if (target > 0 && target <= 1) return target * whole
    return unit.plain && target > 1 && Number.isSafeInteger(target) ? target : undefined
  }
  if (typeof target !== 'string') return undefined
  const [, digits, suffix = ''] = /^\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-zµ%]*)\s*$/.exec(target) ?? []
  const amount = Number(digits)
  if (digits === undefined || !(amount > 0) || !Number.isFinite(amount)) return undefined
  if (suffix === '%') return amount <= 100 ? (amount / 100) * whole : undefined
  if (suffix === '') return targetOf(amount, unit, whole)
  return Object.hasOwn(unit.suffixes, suffix) ? amount * (unit.suffixes[suffix] as number) : undefined
}

/** Whether a target is one. */
export const isTarget = (target: unknown, unit: Unit): boolean => targetOf(target, unit, 1) !== undefined
