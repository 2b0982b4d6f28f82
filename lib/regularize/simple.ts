/** Penalties that don't grow: the regularizers that growing ones are compared with. */
import { descriptionOf } from '../base/describe.js'
import { count, maybe, number, object, signature } from '../base/schema/index.js'
import { IMPORTANCE, type Importance } from '../importance/types.js'
import { COUPLING, type Coupling } from '../optim/penalty-term.js'
import { filled } from './reg.js'
import { normScales } from './scales.js'
import { scheduled } from './scheduled.js'
import type { RegularizerFactory } from './types.js'

/** Options of {@link constantL2}. */
export interface ConstantL2Options {
  /** Penalty of every unit, 0 or more; 1e-3 by default. The unit of weight decay. */
  reg?: number | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/** @internal */
export const CONSTANT_L2 = signature('constantL2', [
  'options',
  object<ConstantL2Options>({ reg: maybe(number({ min: 0 })), coupling: maybe(COUPLING) }),
])

/**
 * The same L2 penalty on all units all the time: weight decay on what can be pruned, and on nothing else.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { constantL2 } from 'espalier'
 *
 * const regularizer = constantL2({ reg: 1e-3 }) // for sparsify, or to attach to a loop of your own
 * console.log(regularizer.name, regularizer.picks) // constant end
 * ```
 */
export function constantL2(options: ConstantL2Options = {}): RegularizerFactory {
  CONSTANT_L2.check(options)
  const { reg = 1e-3, coupling } = options
  return scheduled<undefined>({
    // Nothing changes from step to step: an update only has to be there.
    ...{ name: 'constant', picks: 'end', updateEvery: 1, coupling },
    description: { name: 'constant', reg, coupling: coupling ?? null },
    start: ({ groups }) => ({ reg: filled(groups, reg), stage: 'grow', memory: undefined }),
    grow: (before) => before,
    highest: ({ groups }) => filled(groups, reg),
  })
}

/** Options of {@link groupLasso}. */
export interface GroupLassoOptions {
  /** Penalty of a group's most important unit, 0 or more; 5e-4 by default. The unit of weight decay. */
  reg?: number | undefined
  /** The least important unit gets 2^alpha times as much; 0 or more, 4 by default. */
  alpha?: number | undefined
  /** Optimizer steps between two looks at the importance, 1 or more; 10 by default. */
  updateEvery?: number | undefined
  /** Group L2 by default. */
  importance?: Importance | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/** @internal */
export const GROUP_LASSO = signature('groupLasso', [
  'options',
  object<GroupLassoOptions>({
    reg: maybe(number({ min: 0 })),
    alpha: maybe(number({ min: 0 })),
    updateEvery: maybe(count()),
    importance: maybe(IMPORTANCE),
    coupling: maybe(COUPLING),
  }),
])

/**
 * Sparse learning at the level of groups: `reg * 2^(alpha * s)` on each unit, `s` as in {@link growing}, from 0 for the most
 * to 1 for the least important unit of its group. It follows the importance and has no memory.
 *
 * Source: Fang et al., DepGraph: Towards Any Structural Pruning (CVPR 2023), eq. 6.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { groupLasso } from 'espalier'
 *
 * const regularizer = groupLasso({ reg: 1e-3, alpha: 4 }) // for sparsify, or to attach to a loop of your own
 * console.log(regularizer.name, regularizer.picks) // group-lasso end
 * ```
 */
export function groupLasso(options: GroupLassoOptions = {}): RegularizerFactory {
  GROUP_LASSO.check(options)
  const { reg = 5e-4, alpha = 4, updateEvery = 10, importance, coupling } = options
  const most = reg * 2 ** alpha
  return scheduled<undefined>({
    ...{ name: 'group-lasso', picks: 'end', updateEvery, coupling },
    description: {
      ...{ name: 'group-lasso', reg, alpha, updateEvery, coupling: coupling ?? null },
      importance: importance === undefined ? null : descriptionOf(importance),
    },
    start: ({ groups }) => ({ reg: filled(groups, reg), stage: 'grow', memory: undefined }),
    async grow(before, moment) {
      const scores = await moment.scores(importance)
      const skipped: number[] = []
      const next = before.reg.map((ofGroup, g) => {
        const score = Array.from(scores.get(g)!)
        const [least, best] = [Math.min(...score), Math.max(...score)]
        if (Number.isFinite(least + best)) {
          return Float32Array.from(score, (own) => reg * 2 ** ((alpha * (best - own)) / (best - least + 1e-8)))
        }
        skipped.push(g)
        return ofGroup
      })
      return { ...before, reg: next, skipped }
    },
    highest: ({ groups }) => filled(groups, most),
  })
}

/** Options of {@link bnScale}. */
export interface BnScaleOptions {
  /** Penalty on the absolute value of each scale, 0 or more; 1e-4 by default. */
  reg?: number | undefined
}

/** @internal */
export const BN_SCALE = signature('bnScale', ['options', object<BnScaleOptions>({ reg: maybe(number({ min: 0 })) })])

/**
 * L1 on the scales of norms (`reg * sign(gamma)`): pushes whole channels down through the one number that scales them.
 * Groups without a norm get none.
 *
 * Source: Liu et al., Learning Efficient Convolutional Networks through Network Slimming (ICCV 2017), eq. 1.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { bnScale } from 'espalier'
 *
 * const regularizer = bnScale({ reg: 1e-4 }) // for sparsify, or to attach to a loop of your own
 * console.log(regularizer.name, regularizer.picks) // bn-scale end
 * ```
 */
export function bnScale(options: BnScaleOptions = {}): RegularizerFactory {
  BN_SCALE.check(options)
  const { reg = 1e-4 } = options
  return scheduled<undefined>({
    ...{ name: 'bn-scale', picks: 'end', updateEvery: 1, coupling: 'gradient', acts: 'norm-scales' },
    description: { name: 'bn-scale', reg },
    start: ({ groups }) => ({ reg: filled(normScales(groups), reg), stage: 'grow', memory: undefined }),
    grow: (before) => before,
    // A constant pull, however large the weight: nothing that could diverge.
    highest: ({ groups }) => filled(groups, 0),
  })
}
