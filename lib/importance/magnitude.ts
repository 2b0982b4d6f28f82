import { describes } from '../base/describe.js'
import type { ChannelGroup, Member } from '../groups/groups.js'
import type { MemberUse } from '../operators/graph.js'
import type { Importance } from './types.js'
import { isParameter, sumPerCoordinate, type WeightSource } from './weights.js'

/** Uses that count as weights: what produces a unit, what consumes it, and the scale in between. */
const WEIGHT_USES: ReadonlySet<MemberUse> = new Set<MemberUse>(['output', 'input', 'norm-weight'])

/**
 * Group L2: how much weight a unit holds, compared with the other units of its group.
 *
 * For each member weight (rows and columns of convolutions and linear layers, norm weights; no biases, no statistics) the
 * sum of w² over the unit's slices; the mean of these over the members; divided by the mean over the group's units. The
 * mean score of a group is 1, which makes groups comparable in a global ranking. A group without any such member (raw
 * parameters only) is scored by the parameters that it has; a group whose weights are all zero scores 0 everywhere.
 *
 * Source: group magnitude of DepGraph (Fang et al., CVPR 2023), eq. 5, before its square root.
 */
export function groupL2(): Importance {
  return magnitude('group-l2', (w) => w * w)
}

/**
 * Group L1: as {@link groupL2}, with |w| in place of w².
 *
 * Source: Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017), at the level of groups.
 */
export function groupL1(): Importance {
  return magnitude('group-l1', Math.abs)
}

function magnitude(name: string, value: (w: number) => number): Importance {
  const importance: Importance = async ({ groups, weights }) => {
    const sums = memoizedSums(weights, value)
    return new Map(groups.groups.map((group) => [group.id, groupMagnitude(group, sums)]))
  }
  return describes(importance, { name })
}

/** One score per unit; raw sums, not checked for NaN: the caller decides what a NaN means. */
function groupMagnitude(group: ChannelGroup, sums: (member: Member) => Float64Array): Float64Array {
  const score = new Float64Array(group.size)
  const members = scoredMembers(group)
  for (const member of members) {
    const perCoordinate = sums(member)
    for (let k = 0; k < member.coords.length; k++) {
      score[member.units[k]!]! += perCoordinate[member.coords[k]!]! / members.length
    }
  }
  const mean = score.reduce((sum, s) => sum + s, 0) / group.size
  return mean === 0 ? score : score.map((s) => s / mean)
}

/** The members that count: weights, or all parameters of a group that has none. */
export function scoredMembers(group: ChannelGroup): readonly Member[] {
  const weights = group.members.filter((member) => isParameter(member) && WEIGHT_USES.has(member.use))
  return weights.length > 0 ? weights : group.members.filter(isParameter)
}

/** A weight's dimension can be shared by several groups (a concatenation): sum it once. */
function memoizedSums(weights: WeightSource, value: (w: number) => number): (member: Member) => Float64Array {
  const known = new Map<string, Float64Array>()
  return ({ name, dim }) => {
    const key = `${dim}:${name}`
    const sums = known.get(key) ?? sumPerCoordinate(weights(name), dim, value)
    known.set(key, sums)
    return sums
  }
}
