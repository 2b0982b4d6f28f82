/** Criteria: how much each unit of each group matters. */
export { importanceContext, type ScoredParts } from './context.js'
export { groupL1, groupL2 } from './criteria/magnitude.js'
export type { Importance, ImportanceContext, Observe, Scores, WeightContext, WeightImportance } from './types.js'
export {
  assertFiniteScores,
  type ParameterOwner,
  type Weight,
  type WeightSource,
  weightsFrom,
  weightsOf,
} from './weights.js'
