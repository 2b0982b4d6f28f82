import { groupL2, type Importance, weightsOf } from '../importance/index.js'
import { atLeast, count } from '../options.js'
import { growGroup } from './formula.js'
import { type Schedule, Scheduled } from './scheduled.js'
import type { RegularizerFactory } from './types.js'

export interface GrowingOptions {
  /** Penalty of every unit at the start, 0 or more; 1e-4 by default. The unit of weight decay. */
  reg?: number | undefined
  /** Growth per update of a group's least important unit, 0 or more; 1e-4 by default. 0 is plain per-unit weight decay. */
  deltaReg?: number | undefined
  /** No unit's penalty grows above it; 1 by default. */
  ceiling?: number | undefined
  /** Optimizer steps between two updates, 1 or more; 10 by default. */
  updateEvery?: number | undefined
  /** {@link groupL2} by default. */
  importance?: Importance | undefined
}

/**
 * Growing regularization: at each update the penalty of a unit grows the more, the less important it is in its group,
 *
 *     s = (max I - I) / (max I - min I + 1e-8),    reg = min(reg + deltaReg * s, ceiling)
 *
 * in float32. Equal importances, and a group of one unit, give s = 0. A group whose importance holds a NaN or an infinity
 * sits the update out and is counted in `state.skipped`. The units to remove are chosen at the end of the phase.
 *
 * Source: the growth rule of DepGraph's growing-regularization pruner, after Wang et al., Neural Pruning via Growing
 * Regularization (ICLR 2021).
 *
 * @throws ERR_INVALID_ARGUMENT for an option out of its range
 */
export function growing(options: GrowingOptions = {}): RegularizerFactory {
  const reg = atLeast('reg', options.reg ?? 1e-4, 0)
  const deltaReg = atLeast('deltaReg', options.deltaReg ?? 1e-4, 0)
  const ceiling = atLeast('ceiling', options.ceiling ?? 1, reg)
  const updateEvery = count('updateEvery', options.updateEvery ?? 10)
  const importance = options.importance ?? groupL2()
  return {
    name: 'growing',
    picks: 'end',
    async attach(context) {
      const { model, groups, iterations } = context
      const schedule: Schedule = {
        name: 'growing',
        updateEvery,
        start: groups.groups.map(({ size }) => new Float32Array(size).fill(reg)),
        highest: Math.min(ceiling, reg + Math.floor(iterations / updateEvery) * deltaReg),
        async grow(before) {
          const scores = await importance({ groups, weights: weightsOf(model) })
          return before.map((regOfGroup, g) => growGroup(regOfGroup, scores.get(g)!, deltaReg, ceiling))
        },
      }
      return Scheduled.attach(schedule, context)
    },
  }
}
