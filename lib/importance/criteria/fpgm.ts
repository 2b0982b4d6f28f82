import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { maybe, object, signature } from '../../base/schema/index.js'
import type { ChannelGroup, Member } from '../../groups/groups.js'
import { scoredMembers } from '../criterion.js'
import { distanceSums } from '../distances.js'
import { NORMALIZERS, type NormalizerName } from '../normalize.js'
import type { WeightImportance } from '../types.js'
import { NORMALIZER } from './lp.js'

/** Options of {@link criteria.fpgm}. */
export interface FpgmOptions {
  /** As of {@link criteria.lp}; `'mean'` by default. */
  normalizer?: NormalizerName | undefined
}

/** @internal */
export const FPGM = signature('fpgm', ['options', object<FpgmOptions>({ normalizer: maybe(NORMALIZER) })])

/**
 * How far a unit is from all others of its group, `sum over v of |w_u - w_v|`: one near the geometric median can be replaced by the
 * rest, however large it is. `w_u` is all slices of a unit, of all members that {@link groupL2} counts, as one vector: of the weights
 * themselves, so that opposite filters are far apart. Takes the square of the units times what each of them has.
 *
 * Source: He et al., Filter Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration (CVPR 2019): the sum of
 * distances that a geometric median makes least.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function fpgm(options: FpgmOptions = {}): WeightImportance {
  FPGM.check(options)
  const { normalizer = 'mean' } = options
  const importance: WeightImportance = async ({ groups, weights, signal }) => {
    const scores = new Map<number, Float64Array>()
    for (const group of groups.groups) {
      const parts = scoredMembers(group).map((member) => ({ member, coordinates: byUnit(group, member) }))
      const sums = await distanceSums(parts, group.size, weights, signal)
      scores.set(group.id, NORMALIZERS[normalizer](sums))
    }
    return scores
  }
  return describes(importance, { name: 'fpgm', normalizer })
}

/** The coordinates of the first unit, of the second, …, each rising: the same place in two units is the same slice. */
function byUnit({ id, size }: ChannelGroup, { name, coords, units }: Member): Int32Array {
  const each = coords.length / size
  const next = new Int32Array(size)
  const ordered = new Int32Array(coords.length)
  for (let k = 0; k < coords.length; k++) {
    const unit = units[k]!
    if (!Number.isInteger(each) || next[unit]! >= each) {
      const message = `the units of group ${id} have different numbers of slices in '${name}': they can't be compared`
      throw new EspalierError('ERR_INVALID_ARGUMENT', message)
    }
    ordered[unit * each + next[unit]!++] = coords[k]!
  }
  return ordered
}
