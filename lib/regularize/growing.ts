import type { Importance } from '../importance/index.js'
import { atLeast, count } from '../options.js'
import { growGroup } from './formula.js'
import { filled } from './reg.js'
import { scheduled } from './scheduled.js'
import type { Coupling, RegularizerFactory } from './types.js'

export interface GrowingOptions {
  /** Penalty of every unit at the start, 0 or more; 1e-4 by default. The unit of weight decay. */
  reg?: number | undefined
  /** Growth per update of a group's least important unit, 0 or more; 1e-4 by default. 0 is plain per-unit weight decay. */
  deltaReg?: number | undefined
  /** No unit's penalty grows above it; 1 by default. */
  ceiling?: number | undefined
  /** Optimizer steps between two updates, 1 or more; 10 by default. */
  updateEvery?: number | undefined
  /** Group L2 by default, computed by the kernels. */
  importance?: Importance | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/**
 * Growing regularization: at each update the penalty of a unit grows the more, the less important it is in its group,
 *
 *     s = (max I - I) / (max I - min I + 1e-8),    reg = min(reg + deltaReg * s, ceiling)
 *
 * in float32. Equal importances, and a group of one unit, give s = 0. A group whose importance holds a NaN or an infinity
 * sits the update out and is counted in `state.skipped`. The units to remove are chosen at the end of the phase.
 *
 * Every unit but the best of its group is penalised, those that stay, too: that costs accuracy which {@link greg1} keeps.
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
  const { importance, coupling } = options
  return scheduled<undefined>({
    ...{ name: 'growing', picks: 'end', updateEvery, coupling },
    start: ({ groups }) => ({ reg: filled(groups, reg), stage: 'grow', memory: undefined }),
    async grow(before, moment) {
      if (importance === undefined) return { ...before, ...(await moment.grown(before.reg, deltaReg, ceiling)) }
      const scores = await moment.scores(importance)
      const grown = before.reg.map((ofGroup, g) => growGroup(ofGroup, scores.get(g)!, deltaReg, ceiling))
      return {
        ...before,
        reg: grown.map((ofGroup, g) => ofGroup ?? before.reg[g]!),
        skipped: [...grown.keys()].filter((g) => grown[g] === null),
      }
    },
    highest: ({ groups, iterations }) =>
      filled(groups, Math.min(ceiling, reg + Math.floor(iterations / updateEvery) * deltaReg)),
  })
}
