import { EspalierError } from '../../base/errors.js'
import { maybe, object, oneOf, signature } from '../../base/schema/index.js'
import type { ChannelGroup, Member } from '../../groups/groups.js'
import { importanceBy, scoredMembers } from '../criterion.js'
import { NORMALIZERS, type NormalizerName } from '../normalize.js'
import { REDUCTIONS } from '../reduce.js'
import type { WeightImportance } from '../types.js'
import { isParameter } from '../weights.js'
import { NORMALIZER } from './lp.js'

/** Options of {@link criteria.bnScale}. */
export interface BnScaleCriterionOptions {
  /** As of {@link criteria.lp}; `'none'` by default, as in the paper. */
  normalizer?: NormalizerName | undefined
  /**
   * What becomes of groups in which no norm has a scale; `'refuse'` by default, an error. `'weights'` scores them by |w|, as
   * {@link groupL1} sums it up before it divides: a global ranking compares the two, so that one needs a normalizer.
   */
  otherwise?: 'refuse' | 'weights' | undefined
}

/** @internal */
export const BN_SCALE_CRITERION = signature('bnScale', [
  'options',
  object<BnScaleCriterionOptions>({ normalizer: maybe(NORMALIZER), otherwise: maybe(oneOf('refuse', 'weights')) }),
])

/**
 * The size of the scale of the norm behind a channel, |gamma|; a mean over the norms of the group.
 *
 * Source: Liu et al., Learning Efficient Convolutional Networks through Network Slimming (ICCV 2017), section 3. There the scales were
 * trained under an L1 penalty: the regularizer {@link bnScale}.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT; the criterion, for a group in which no norm has a scale
 */
export function bnScale(options: BnScaleCriterionOptions = {}): WeightImportance {
  BN_SCALE_CRITERION.check(options)
  const { normalizer = 'none', otherwise = 'refuse' } = options
  return importanceBy({
    description: { name: 'bn-scale', normalizer, otherwise },
    power: 1,
    members: (group) => scalesOf(group) ?? (otherwise === 'weights' ? scoredMembers(group) : refused(group)),
    reduction: REDUCTIONS.mean,
    normalizer: NORMALIZERS[normalizer],
  })
}

function scalesOf({ members }: ChannelGroup): readonly Member[] | undefined {
  const scales = members.filter((member) => isParameter(member) && member.use === 'norm-weight')
  return scales.length > 0 ? scales : undefined
}

function refused({ id, scopes }: ChannelGroup): never {
  const message = `group ${id} (${scopes.join(', ')}) has no norm with a scale`
  const hint =
    "bnScale({ otherwise: 'weights' }) scores such groups by |w|; another criterion, such as groupL2(), needs no norm."
  throw new EspalierError('ERR_INVALID_ARGUMENT', message, { hint })
}
