import { importanceBy } from '../criterion.js'
import type { Normalizer } from '../normalize.js'
import { REDUCTIONS } from '../reduce.js'
import type { WeightImportance } from '../types.js'

/** Of equal scores the unit with the lower index goes first, as in a ranking. */
const byWhatStays: Normalizer = (scores) => {
  const rising = Array.from(scores, (_, unit) => unit).sort((a, b) => scores[a]! - scores[b]! || a - b)
  const shares = new Float64Array(scores.length)
  let rest = 0
  for (const unit of rising.reverse()) {
    rest += scores[unit]!
    shares[unit] = rest === 0 ? 0 : scores[unit]! / rest
  }
  // A sort does not say where a NaN is.
  return scores.some(Number.isNaN) ? scores.map(() => Number.NaN) : shares
}

/**
 * What a unit holds of all that its group still has when the units below it are gone: `m_u / sum of m_v over m_v >= m_u`, with
 * `m` the sums of w² over a unit's slices, a mean over the members. In (0, 1]; the strongest unit of each group has 1, so that a global ranking
 * takes no group whole. Within a group the order is that of {@link groupL2}.
 *
 * Source: Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning (ICLR 2021): the LAMP score, with units in the
 * place of weights.
 */
export function lamp(): WeightImportance {
  return importanceBy({ description: { name: 'lamp' }, power: 2, reduction: REDUCTIONS.mean, normalizer: byWhatStays })
}
