import type { Analysis, Removed } from '../../groups/index.js'

/** Something that a plan can be held to. */
export interface Budget {
  /** Its option: `budget: { macs: 0.5 }`. */
  readonly name: string
  /** In words, for messages: `MACs`. */
  readonly label: string
  /** What the model costs once the units of `removed` are gone; more than 0 for a model with parameters. */
  cost(analysis: Analysis, removed: Removed): number
  /** Whether a model that has lost more never costs more. */
  readonly monotone: boolean
}

/** How many prefixes are looked at where a longer one may cost more. */
const LOOKS = 32

/**
 * The shortest prefix of a ranking whose cost is within the target, for a monotone cost. For another one the first of
 * {@link LOOKS} evenly spaced prefixes that is, made shorter as long as what is left stays within.
 *
 * @param most length of the ranking
 * @returns undefined when no prefix that was looked at is within
 */
export function shortestWithin(
  most: number,
  cost: (length: number) => number,
  target: number,
  monotone: boolean,
): number | undefined {
  let [low, high] = [0, most]
  if (monotone) {
    if (cost(most) > target) return undefined
  } else {
    const looks = Array.from({ length: LOOKS + 1 }, (_, k) => Math.round((k * most) / LOOKS))
    const found = looks.findIndex((length) => cost(length) <= target)
    if (found < 0) return undefined
    high = looks[found] as number
    low = found === 0 ? high : (looks[found - 1] as number) + 1
  }
  while (low < high) {
    const middle = (low + high) >> 1
    if (cost(middle) <= target) high = middle
    else low = middle + 1
  }
  return high
}
