import { describes } from '../base/describe.js'
import type { ChannelGroup, Member } from '../groups/groups.js'
import type { MemberUse } from '../operators/graph.js'
import type { Normaliser } from './normalise.js'
import type { Reduction } from './reduce.js'
import type { WeightImportance } from './types.js'
import { isParameter, sumPerCoordinate, type WeightSource } from './weights.js'

/** A criterion of weights alone: score x reduction x normaliser. */
export interface Criterion {
  /** How it describes itself. */
  name: string
  /** Of one weight; summed over each slice. */
  score(weight: number): number
  /** Over the members that count. */
  reduction: Reduction
  /** Over the units of a group. */
  normaliser: Normaliser
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
  const importance: WeightImportance = async ({ groups, weights }) => {
    const sums = memoizedSums(weights, criterion.score)
    return new Map(groups.groups.map((group) => [group.id, scoresOf(group, sums, criterion)]))
  }
  return describes(importance, { name: criterion.name })
}

/** One score per unit. */
function scoresOf(
  group: ChannelGroup,
  sums: (member: Member) => Float64Array,
  { reduction, normaliser }: Criterion,
): Float64Array {
  const members = scoredMembers(group)
  let scores = new Float64Array(group.size).fill(reduction.from)
  for (const member of members) {
    const perCoordinate = sums(member)
    const own = new Float64Array(group.size)
    for (let k = 0; k < member.coords.length; k++) own[member.units[k]!]! += perCoordinate[member.coords[k]!]!
    scores = scores.map((score, unit) => reduction.add(score, own[unit]!, members.length))
  }
  return normaliser(scores)
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
