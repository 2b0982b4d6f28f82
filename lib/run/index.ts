/** The jobs: everything in one call. */

export type { Aimed, LatencyReport } from './aim.js'
export type { Held, Withheld } from './at-the-cut.js'
export type { CheckpointOptions, RunState } from './checkpoint.js'
export { type InferenceOptions, type InferenceResult, optimizeForInference } from './inference.js'
export { type JsonLinesOptions, jsonLines } from './jsonl.js'
export type { BestLrs } from './lr-trial.js'
export {
  type Compensated,
  Prunable,
  type PrunableOptions,
  type PruneResult,
  type ScoreOptions,
  type Units,
} from './prunable.js'
export { type PruneOptions, prune } from './prune.js'
export { type ReplayOptions, replay } from './replay.js'
export { Run } from './run.js'
export {
  ratiosWithin,
  type Sensitivity,
  type SensitivityOptions,
  type SensitivityPoint,
  sensitivity,
} from './sensitivity.js'
export type { FoundLrs, OptimizerName, PhaseOptions, Settings, TrialEvent } from './settings.js'
export { sparsify } from './sparsify.js'
export type { RunEvent, SparsifyOptions, SparsifyResult, Stage } from './types.js'
