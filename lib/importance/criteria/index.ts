import { bnScale } from './bn-scale.js'
import { fpgm } from './fpgm.js'
import { lamp } from './lamp.js'
import { lp } from './lp.js'
import { random } from './random.js'

export type { BnScaleCriterionOptions } from './bn-scale.js'
export type { FpgmOptions } from './fpgm.js'
export type { LpOptions } from './lp.js'
export { groupL1, groupL2 } from './magnitude.js'
export type { RandomCriterionOptions } from './random.js'

/**
 * Criteria beside {@link groupL1} and {@link groupL2}, for the option `importance`: how much each unit of a group matters.
 *
 * @example
 * ```ts
 * import { criteria, load, prune, Tensor } from 'espalier'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * for (const importance of [criteria.lp({ p: 1, reduction: 'max' }), criteria.lamp(), criteria.fpgm(), criteria.random({ seed: 1 })]) {
 *   const { small, plan } = await prune(model, { inputs, ratio: 0.5, importance })
 *   console.log(plan.removed[0]!.units.length)
 *   // 2
 *   // 2
 *   // 2
 *   // 2
 *   small.dispose()
 * }
 * const slim = await prune(model, { inputs, ratio: 0.25, importance: criteria.bnScale({ otherwise: 'weights' }) })
 * console.log(slim.plan.removed[0]!.units.length) // 1
 * ```
 */
export const criteria = {
  /** Sums of |w|^p, with a reduction over the members of a group and a normalizer over its units; see {@link LpOptions}. */
  lp,
  /** What a unit holds of all that is left of its group when the weaker ones are gone. */
  lamp,
  /** How far a unit is from all others of its group; see {@link FpgmOptions}. */
  fpgm,
  /** The size of the scales of norms; see {@link BnScaleCriterionOptions}. */
  bnScale,
  /** A random number for each unit; see {@link RandomCriterionOptions}. */
  random,
} as const
