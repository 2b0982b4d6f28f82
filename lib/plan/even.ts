import type { Analysis, Removed } from '../groups/index.js'
import type { Scores } from '../importance/index.js'
import { LANES } from '../measure/forecast.js'

/** Groups below this size keep the units that they have: a multiple would be most of them. */
const SMALLEST = 2 * LANES

/** Gives back the strongest of the units that go, until each group is a multiple of {@link LANES}, which kernels like. */
export function madeEven(analysis: Analysis, removed: Removed, scores: Scores, offsets: readonly number[]): Removed {
  const kept = removed.slice()
  for (const { id, size } of analysis.groups) {
    const first = offsets[id] as number
    const gone = Array.from({ length: size }, (_, unit) => unit).filter((unit) => kept[first + unit] === 1)
    const back = (LANES - ((size - gone.length) % LANES)) % LANES
    if (size < SMALLEST || gone.length === 0) continue
    const own = scores.get(id) ?? []
    gone.sort((a, b) => (own[b] ?? 0) - (own[a] ?? 0) || b - a)
    for (const unit of gone.slice(0, back)) kept[first + unit] = 0
  }
  return kept
}
