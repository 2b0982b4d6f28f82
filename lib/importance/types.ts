import { func, thing } from '../base/schema/index.js'
import type { Analysis, ChannelGroups } from '../groups/index.js'
import type { Observation, ObservedPlace, ScriptModule } from '../torch/index.js'
import type { WeightSource } from './weights.js'

/**
 * Looks at inputs of operators while the model runs on data, in eval mode: mean and spread of each coordinate, by place; `null`
 * for one that does not run. Once for all places: the data may be there only once.
 */
export type Observe = (places: readonly ObservedPlace[]) => Promise<readonly (Observation | null)[]>

/** What a criterion of weights alone is given. */
export interface WeightContext {
  groups: ChannelGroups
  weights: WeightSource
  /** Raised when the scores are no longer waited for. */
  signal?: AbortSignal | undefined
}

/** What a criterion is given: {@link importanceContext} makes it. */
export interface ImportanceContext extends WeightContext {
  groups: Analysis
  /** The module as it is now; absent where only its parameters are known. It must not be changed. */
  model?: ScriptModule | undefined
  /** Throws ERR_INVALID_ARGUMENT where there are no data. */
  observe: Observe
}

/** One score per unit, by group id: `scores.get(group.id)[unit]`. Only larger or smaller counts; the built-in ones are >= 0. */
export type Scores = ReadonlyMap<number, ArrayLike<number>>

/**
 * A criterion: says how much each unit matters. It reads weights, and what the model does with data, and returns plain data; a
 * NaN in the weights may come out as a NaN in that group's scores (the planner refuses it, the growing regularizer skips the
 * group).
 */
export type Importance = (context: ImportanceContext) => Promise<Scores>

/** One that needs no more than weights, such as {@link groupL2}. */
export type WeightImportance = (context: WeightContext) => Promise<Scores>

/** @internal */
export const IMPORTANCE = func<Importance>('a criterion, such as groupL2()')

/** @internal */
export const SCORES = thing<Scores>('a Map from the id of each group to a score for each of its units', (value) => {
  return value instanceof Map && [...value.values()].every((scores) => typeof scores?.length === 'number')
})
