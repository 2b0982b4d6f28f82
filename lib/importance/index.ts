/** Criteria: how much each unit of each group matters. */
export { groupL1, groupL2 } from './criteria/magnitude.js'
export type { Importance, ImportanceContext, Scores } from './types.js'
export {
  allFinite,
  assertFiniteScores,
  type ParameterOwner,
  type Weight,
  type WeightSource,
  weightsFrom,
  weightsOf,
} from './weights.js'
