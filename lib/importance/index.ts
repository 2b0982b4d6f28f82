/** Criteria: how much each unit of each group matters. */
export { importanceContext, type ScoredParts } from './context.js'
export {
  type BnScaleCriterionOptions,
  criteria,
  type FpgmOptions,
  groupL1,
  groupL2,
  type LpOptions,
  type RandomCriterionOptions,
} from './criteria/index.js'
export type { NormalizerName } from './normalize.js'
export type { ReductionName } from './reduce.js'
export type { Importance, ImportanceContext, Observe, Scores, WeightContext, WeightImportance } from './types.js'
export {
  assertFiniteScores,
  type ParameterOwner,
  type Weight,
  type WeightSource,
  weightsFrom,
  weightsOf,
} from './weights.js'
