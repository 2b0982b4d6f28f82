import { type Description, describes } from '../base/describe.js'
import type { ChannelGroup, Member } from '../groups/groups.js'
import type { MemberUse } from '../operators/graph.js'
import { memberSums } from './member-sums.js'
import type { Normalizer } from './normalize.js'
import type { Reduction } from './reduce.js'
import type { WeightImportance } from './types.js'
import { isParameter } from './weights.js'

/** A criterion of weights alone: score x reduction x normalizer. */
export interface Criterion {
  /** How it describes itself. */
  description: Description
  /** |w| to this power is summed up over each slice; above 0. */
  power: number
  /** The members that count; {@link scoredMembers} by default. */
  members?: ((group: ChannelGroup) => readonly Member[]) | undefined
  /** Over these members. */
  reduction: Reduction
  /** Over the units of a group. */
  normalizer: Normalizer
}

/** Uses that count as weights: what produces a unit, what consumes it, and the scale in between. */
const WEIGHT_USES: ReadonlySet<MemberUse> = new Set<MemberUse>(['output', 'input', 'norm-weight'])

/** The members that count: weights, or all parameters of a group that has none. */
export function scoredMembers(group: ChannelGroup): readonly Member[] {
  const weights = group.members.filter((member) => isParameter(member) && WEIGHT_USES.has(member.use))
  return weights.length > 0 ? weights : group.members.filter(isParameter)
}

/** Scores are not checked for NaN: the caller decides what a NaN means. */
export function importanceBy(criterion: Criterion): WeightImportance {
  const { description, power, members = scoredMembers, reduction, normalizer } = criterion
  const importance: WeightImportance = async ({ groups, weights, signal }) => {
    const counted = groups.groups.map((group) => ({ units: group.size, members: members(group) }))
    const sums = await memberSums(counted, weights, power, signal)
    return new Map(groups.groups.map(({ id, size }, g) => [id, normalizer(reduced(sums[g]!, size, reduction))]))
  }
  return describes(importance, description)
}

/** One score per unit. */
function reduced(members: readonly Float64Array[], units: number, { from, add }: Reduction): Float64Array {
  let scores = new Float64Array(units).fill(from)
  members.forEach((own, at) => {
    scores = scores.map((score, unit) => add(score, own[unit]!, members.length, at))
  })
  return scores
}
