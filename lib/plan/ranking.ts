import { EspalierError } from '../base/errors.js'
import { range } from '../base/numbers.js'
import { shown } from '../base/schema/index.js'
import type { ChannelGroup } from '../groups/index.js'
import type { Scores } from '../importance/index.js'
import type { MakePlanOptions } from './plan.js'

/** Options of a plan, with the groups that they leave alone. */
export interface ChooseOptions extends MakePlanOptions {
  left: ReadonlySet<number>
}

export interface Candidate {
  unit: number
  group: number
  score: number
}

/** All units that may go, weakest first, no group beyond its minimum. */
export function removalOrder(
  groups: readonly ChannelGroup[],
  scores: Scores,
  options: ChooseOptions,
  offsets: readonly number[],
): Candidate[] {
  return ranked(
    groups.flatMap((group) => ranked(candidatesOf(group, scores, offsets)).slice(0, removable(group, options))),
  )
}

export function candidatesOf(group: ChannelGroup, scores: Scores, offsets: readonly number[]): Candidate[] {
  const own = scores.get(group.id)
  if (own?.length !== group.size) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      `group ${group.id} has ${group.size} units but ${own?.length ?? 'no'} scores`,
    )
  }
  return range(group.size).map((u) => {
    const score = own[u] as number
    if (!Number.isFinite(score)) {
      throw new EspalierError(
        'ERR_NOT_FINITE',
        `the score of unit ${u} of group ${group.id} (${group.scopes[0] ?? ''}) is ${score}`,
      )
    }
    return { unit: (offsets[group.id] as number) + u, group: group.id, score }
  })
}

/** Weakest first; ties go by lower group, then lower index. */
export function ranked(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort((a, b) => a.score - b.score || a.unit - b.unit)
}

export function ratioOf(group: ChannelGroup, options: ChooseOptions): number {
  const { ratio = 0.5, exact = false, left } = options
  if (left.has(group.id) || (exact && !group.exact)) return 0
  const outer = group.kind === 'heads' || group.kind === 'conv-groups'
  const own = typeof ratio === 'function' ? (ratio(group) ?? 0) : outer ? 0 : ratio
  if (typeof own === 'number' && own >= 0 && own < 1) return own
  const message = `the function 'ratio' must give a number from 0 to below 1 or undefined, not ${shown(own)}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message)
}

/** Part of a group that stays where the options don't say. */
export const MIN_KEEP = 0.1

/** How many units of a group may go at most. */
export function removable(group: ChannelGroup, options: ChooseOptions): number {
  const { minKeep = MIN_KEEP } = options
  return group.size - Math.max(1, Math.ceil(minKeep * group.size - 1e-9))
}

/** floor(ratio * n), where 0.3 * 10 is 3. */
export function floorOf(ratio: number, n: number): number {
  return Math.floor(ratio * n + 1e-9)
}
