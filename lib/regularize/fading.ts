import { EspalierError } from '../base/errors.js'
import { count, maybe, number, object, signature } from '../base/schema/index.js'
import { largestCoefficient } from './coefficients.js'
import { filled } from './reg.js'
import type { Growth, Moment } from './schedule.js'
import { scheduled } from './scheduled.js'
import type { Reg, RegularizerFactory, RemovedUnits } from './types.js'

/** Options of {@link fading}; none is needed. */
export interface FadingOptions {
  /** What is left of a unit, as a part of the mean size of its group's kept units, in (0, 1); 1e-4 by default. */
  rest?: number | undefined
  /** Part of the regularized phase in which the units fade, in (0, 1]; 0.6 by default. Then they are held where they are. */
  fraction?: number | undefined
  /** Optimizer steps between two looks at the sizes, 1 or more; about 60 looks while they fade by default. */
  updateEvery?: number | undefined
}

/** @internal */
export const FADING = signature('fading', [
  'options',
  object<FadingOptions>({
    rest: maybe(number({ above: 0, below: 1 })),
    fraction: maybe(number({ above: 0, max: 1 })),
    updateEvery: maybe(count()),
  }),
])

/** What the control remembers: plain data. Sizes are roots of the summed squares of a unit's weights, by group and unit. */
interface Memory {
  /** Sizes when the fading began; none before. */
  start?: readonly (readonly number[])[]
  /** Sizes at the last look, and the factor by which the penalty shrank a unit in each step since. */
  last?: readonly (readonly number[])[]
  factors?: readonly (readonly number[])[]
}

/** No step takes more than this of a weight, whatever groups meet in it: at twice the learning rate it is still gone at most. */
const MOST = 0.5

export function fading(options: FadingOptions = {}): RegularizerFactory {
  FADING.check(options)
  const { rest = 1e-4, fraction = 0.6 } = options
  const updateEvery = options.updateEvery ?? 2
  return scheduled<Memory>({
    ...{ name: 'fading', picks: 'start', updateEvery, coupling: 'decoupled' },
    description: { name: 'fading', rest, fraction, updateEvery: options.updateEvery ?? null },
    start({ groups, removed }) {
      if (removed === undefined) {
        throw new EspalierError(
          'ERR_INVALID_ARGUMENT',
          "fading needs the units to remove: pass 'removed', a plan's choice",
        )
      }
      return { reg: filled(groups, 0), stage: 'push', removed, memory: {} }
    },
    async grow(before, moment) {
      const { groups, iterations } = moment.context
      const sizes = (await moment.sums('square')).map((ofGroup) => Array.from(ofGroup, Math.sqrt))
      const { start = sizes, last, factors } = before.memory
      const lr = moment.lr ?? 0
      if (!(lr > 0)) return before
      const most = MOST / largestCoefficient(groups, filled(groups, 1))
      const at = Math.min(1, (moment.iteration + updateEvery) / (fraction * iterations))
      const next = sizes.map((ofGroup) => ofGroup.map(() => 1))
      for (const { group, units } of before.removed ?? []) {
        const own = sizes[group] as number[]
        const gone = new Set(units)
        const kept = own.filter((_, unit) => !gone.has(unit))
        const mean = kept.reduce((a, b) => a + b, 0) / kept.length
        for (const unit of units) {
          const [now, first] = [own[unit] as number, start[group]![unit] as number]
          const target = Math.min(first, first ** (1 - at) * (rest * mean) ** at)
          // What training did to it in each step since the last look, apart from the penalty.
          const before_ = last?.[group]?.[unit]
          const push = before_
            ? Math.max(1, (now / before_) ** (1 / updateEvery) / (factors![group]![unit] as number))
            : 1
          const wanted = (target / now) ** (1 / updateEvery) / push
          next[group]![unit] = Math.min(1, Math.max(1 - most, wanted))
        }
      }
      return {
        ...before,
        reg: next.map((ofGroup) => Float32Array.from(ofGroup, (factor) => (1 - factor) / lr)),
        stage: at < 1 ? 'push' : 'stabilize',
        memory: { start, last: sizes, factors: next },
      }
    },
    highest: ({ groups }) => filled(groups, 0),
  })
}
export type { Growth, Moment, Reg, RemovedUnits }
