/**
 * Smaller TorchScript models: what most programs need. The rest is in `espalier/torch` (tensors, modules, operators, hooks)
 * and `espalier/analysis` (records, groups, plans and cuts step by step, regularizers from the inside).
 *
 * Examples take a `model.pt`, and a `data.js` that exports `data`: a `train` and a `validation` dataset;
 * those that read data, files beside them (test/docs/files.ts).
 */

export { ERROR_CODES, type ErrorCode, EspalierError } from './base/errors.js'
export type { Plan, PlanOptions, Verification } from './cut/index.js'
export { draw } from './draw/index.js'
export { explain } from './explain/index.js'
export type { Analysis, ChannelGroup, ChannelGroups } from './groups/index.js'
// What matters, and what pushes
export {
  type BnScaleCriterionOptions,
  criteria,
  type FpgmOptions,
  groupL1,
  groupL2,
  type Importance,
  type LpOptions,
  type RandomCriterionOptions,
  type Scores,
} from './importance/index.js'
export { loadLibtorch } from './libtorch/index.js'
// What came out
export {
  carryState,
  diffManifests,
  expandTensors,
  loadManifest,
  type Manifest,
  makeManifest,
  saveManifest,
  shrinkTensors,
} from './manifest/index.js'
export type { InterfaceReport } from './record/cut-request.js'
export type { DType } from './record/record.js'
export {
  bnScale,
  constantL2,
  fading,
  greg1,
  greg2,
  groupLasso,
  growing,
  type Regularizer,
  type RegularizerFactory,
} from './regularize/index.js'
export { coverageLines, frozenTable, groupsTable, type Latency, measureLatency } from './report/index.js'
export type {
  InferenceOptions,
  InferenceResult,
  PrunableOptions,
  PruneOptions,
  PruneResult,
  RunEvent,
  Sensitivity,
  SensitivityOptions,
  SensitivityPoint,
  SparsifyOptions,
  SparsifyResult,
  Units,
} from './run/index.js'
// The jobs
export { jsonLines, optimizeForInference, Prunable, prune, Run, replay, sensitivity, sparsify } from './run/index.js'
export type { Device, ModuleInput, ModuleOutput } from './torch/index.js'
// Models
export {
  define,
  keep,
  load,
  loadUntrusted,
  manualSeed,
  ScriptModule,
  scope,
  setMemoryLimit,
  setThreads,
  Tensor,
} from './torch/index.js'
export type {
  ArrayData,
  AsyncIterableOptions,
  Batch,
  Dataset,
  Evaluation,
  ImageFolder,
  ImageFolderOptions,
  Loss,
  LossFunction,
  LrSchedule,
  Metric,
  OptimizerFactory,
  Phase,
  Table,
  TeacherOptions,
  TrainEvent,
} from './train/index.js'
// Training
export {
  adamw,
  batchCount,
  batches,
  evaluate,
  fromAsyncIterable,
  imageFolder,
  inMemory,
  losses,
  lr,
  metrics,
  Random,
  randomShift,
  readNpy,
  readNpz,
  readSafetensors,
  readTable,
  sgd,
  shuffle,
  split,
  subset,
  tokenFile,
  train,
} from './train/index.js'
