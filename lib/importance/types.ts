import { func, thing } from '../base/schema/index.js'
import type { ChannelGroups } from '../groups/groups.js'
import type { WeightSource } from './weights.js'

/** What a criterion is given. */
export interface ImportanceContext {
  groups: ChannelGroups
  weights: WeightSource
}

/** One score per unit, by group id: `scores.get(group.id)[unit]`. Only larger or smaller counts; the built-in ones are >= 0. */
export type Scores = ReadonlyMap<number, ArrayLike<number>>

/**
 * A criterion: says how much each unit matters. It reads weights and returns plain data; a NaN in the weights may come
 * out as a NaN in that group's scores (the planner refuses it, the growing regularizer skips the group).
 */
export type Importance = (context: ImportanceContext) => Promise<Scores>

/** @internal */
export const IMPORTANCE = func<Importance>('a criterion, such as groupL2()')

/** @internal */
export const SCORES = thing<Scores>('a Map from the id of each group to a score for each of its units', (value) => {
  return value instanceof Map && [...value.values()].every((scores) => typeof scores?.length === 'number')
})
