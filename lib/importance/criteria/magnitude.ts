import { importanceBy } from '../criterion.js'
import { NORMALIZERS } from '../normalize.js'
import { REDUCTIONS } from '../reduce.js'
import type { WeightImportance } from '../types.js'

const MEANS = { reduction: REDUCTIONS.mean, normalizer: NORMALIZERS.mean } as const

/**
 * Group L2: how much weight a unit holds, compared with the other units of its group.
 *
 * For each member weight (rows and columns of convolutions and linear layers, norm weights; no biases, no statistics) the
 * sum of w² over the unit's slices; the mean of these over the members; divided by the mean over the group's units. The
 * mean score of a group is 1, which makes groups comparable in a global ranking. A group without any such member (raw
 * parameters only) is scored by the parameters that it has; a group whose weights are all zero scores 0 everywhere.
 *
 * Source: group magnitude of DepGraph (Fang et al., CVPR 2023), eq. 5, before its square root.
 *
 * @returns a criterion that gives scores of 0 or more
 * @example
 * ```ts
 * import { groupL2, load, prune, Tensor } from 'espalier'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const { plan } = await prune(model, { inputs, ratio: 0.5, importance: groupL2() })
 * console.log(plan.removed) // [ { group: 0, units: [ 0, 1 ] } ]
 * ```
 */
export function groupL2(): WeightImportance {
  return importanceBy({ description: { name: 'group-l2' }, power: 2, ...MEANS })
}

/**
 * Group L1: as {@link groupL2}, with |w| in place of w².
 *
 * Source: Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017), at the level of groups.
 *
 * @returns a criterion that gives scores of 0 or more
 * @example
 * ```ts
 * import { groupL1, load, prune, Tensor } from 'espalier'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const { plan } = await prune(model, { inputs, ratio: 0.5, importance: groupL1() })
 * console.log(plan.removed[0]!.units.length) // 2
 * ```
 */
export function groupL1(): WeightImportance {
  return importanceBy({ description: { name: 'group-l1' }, power: 1, ...MEANS })
}
