import { maybe, number, object, oneOf, type Schema, signature } from '../../base/schema/index.js'
import { importanceBy } from '../criterion.js'
import { NORMALIZERS, type NormalizerName } from '../normalize.js'
import { REDUCTIONS, type ReductionName } from '../reduce.js'
import type { WeightImportance } from '../types.js'

/** Options of {@link criteria.lp}. */
export interface LpOptions {
  /** Power of |w|, above 0; 2 by default. */
  p?: number | undefined
  /** What the members of a group make together; `'mean'` by default. `'first'`: the first in graph order, which makes the units. */
  reduction?: ReductionName | undefined
  /**
   * What a group's scores are divided by, `'mean'` by default: by their mean, sum or largest; `'standardize'`: less their mean, by
   * their standard deviation, so that some are below 0; `'none'`: by nothing.
   */
  normalizer?: NormalizerName | undefined
}

/** @internal */
export const NORMALIZER: Schema<NormalizerName> = oneOf('mean', 'sum', 'max', 'standardize', 'none')
/** @internal */
export const LP = signature('lp', [
  'options',
  object<LpOptions>({
    p: maybe(number({ above: 0 })),
    reduction: maybe(oneOf('mean', 'sum', 'max', 'product', 'first')),
    normalizer: maybe(NORMALIZER),
  }),
])

/**
 * For each member weight (those that {@link groupL2} counts) the sum of |w|^p over the unit's slices; these reduced over the
 * members, and normalized over the group's units. No root is taken. `lp({ p: 2 })` is `groupL2()`, `lp({ p: 1 })` is `groupL1()`.
 *
 * Source: Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017), section 3.1, for p = 1; DepGraph (Fang et al., CVPR 2023),
 * eq. 5, for groups.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function lp(options: LpOptions = {}): WeightImportance {
  LP.check(options)
  const { p = 2, reduction = 'mean', normalizer = 'mean' } = options
  return importanceBy({
    description: { name: 'lp', p, reduction, normalizer },
    power: p,
    reduction: REDUCTIONS[reduction],
    normalizer: NORMALIZERS[normalizer],
  })
}
