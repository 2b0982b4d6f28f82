import type { Analysis, Removed } from '../../groups/index.js'
import type { Timings } from '../../measure/forecast.js'
import type { Unit } from './target.js'

/** What was measured, for budgets that can't be counted. */
export interface Known {
  readonly timings?: Timings | undefined
}

/** Something that a plan can be held to. */
export interface Budget {
  /** Its option: `budget: { macs: 0.5 }`. */
  readonly name: string
  /** In words, for messages: `MACs`. */
  readonly label: string
  readonly unit: Unit
  /** What the model costs once the units of `removed` are gone; more than 0 for a model with parameters. */
  cost(analysis: Analysis, removed: Removed, known: Known): number
  /** What the whole model costs, where that was measured; else it is `cost` of nothing removed. */
  whole?(known: Known): number | undefined
  /** Whether a model that has lost more never costs more. */
  readonly monotone: boolean
}

/** How many prefixes are looked at where a longer one may cost more. */
const LOOKS = 32

/** Their lengths. */
export const looksAt = (most: number): number[] =>
  Array.from({ length: LOOKS + 1 }, (_, k) => Math.round((k * most) / LOOKS))

/**
 * The shortest prefix of a ranking that is within, where a longer one always is, too. Elsewhere the first of {@link LOOKS} evenly
 * spaced prefixes that is, made shorter as long as what is left stays within.
 *
 * @param most length of the ranking
 * @returns undefined when no prefix that was looked at is within
 */
export function shortestWithin(
  most: number,
  isWithin: (length: number) => boolean,
  monotone: boolean,
): number | undefined {
  let [low, high] = [0, most]
  if (monotone) {
    if (!isWithin(most)) return undefined
  } else {
    const looks = looksAt(most)
    const found = looks.findIndex(isWithin)
    if (found < 0) return undefined
    high = looks[found] as number
    low = found === 0 ? high : (looks[found - 1] as number) + 1
  }
  while (low < high) {
    const middle = (low + high) >> 1
    if (isWithin(middle)) high = middle
    else low = middle + 1
  }
  return high
}
