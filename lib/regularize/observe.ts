import type { GroupEvent, Quantiles, RegularizerEvent, RegularizerState } from './types.js'

/** A chosen unit that is larger than this part of the mean of the kept ones has not given way. */
const HELD = 0.01

/** A record of a state, from the sums of w² and of |w| over each unit's weights. */
export function observe(
  state: RegularizerState,
  squares: readonly Float32Array[],
  absolutes: readonly Float32Array[],
): RegularizerEvent {
  const chosen = new Map(state.removed?.map(({ group, units }) => [group, new Set(units)]))
  return {
    kind: 'regularizer',
    name: state.name,
    stage: state.stage,
    iteration: state.iteration,
    updates: state.updates,
    skipped: state.skipped.reduce((a, b) => a + b, 0),
    groups: state.reg.map((reg, group): GroupEvent => {
      const own: GroupEvent = { group, reg: quantiles(reg) }
      const picked = chosen.get(group)
      if (picked === undefined) return own
      const size = Array.from(squares[group]!, Math.sqrt)
      const kept = mean(size.filter((_, unit) => !picked.has(unit)))
      const gone = mean(size.filter((_, unit) => picked.has(unit)))
      const held = kept === undefined ? [] : [...picked].filter((unit) => size[unit]! > HELD * kept)
      const smallest = ascending(absolutes[group]!).slice(0, picked.size)
      return {
        ...own,
        ...(kept === undefined ? {} : { kept }),
        ...(gone === undefined ? {} : { chosen: gone }),
        ...(kept === undefined || gone === undefined ? {} : { ratio: Math.min(kept / gone, Number.MAX_VALUE) }),
        ...(held.length === 0 ? {} : { held }),
        overlap: smallest.filter((unit) => picked.has(unit)).length / picked.size,
      }
    }),
  }
}

/** The values at 0, 25, 50, 75 and 100 % of the sorted list, the nearest one below. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))]!
  return [at(0), at(0.25), at(0.5), at(0.75), at(1)]
}

/** Units by value, the smallest first; of equals the lower index. */
function ascending(values: ArrayLike<number>): number[] {
  return Array.from(values, (_, unit) => unit).sort((a, b) => values[a]! - values[b]! || a - b)
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length
}
