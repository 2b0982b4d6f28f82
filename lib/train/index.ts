/** Training: data, losses, optimizers, schedules, the epoch loop. */

export { Random, type RandomState } from '../base/random.js'
export { type AdamWOptions, adamw } from '../optim/adamw.js'
export type { Optimizer, OptimizerFactory, OptimizerState } from '../optim/optimizer.js'
export {
  type CosineOptions,
  type LrSchedule,
  largestFactor,
  lr,
  type Progress,
  type StepOptions,
} from '../optim/schedule.js'
export { type SgdOptions, sgd } from '../optim/sgd.js'
export * from './data/index.js'
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.js'
export {
  type BatchEvent,
  type EpochEvent,
  largestStepping,
  phaseLength,
  type TrainEvent,
  type TrainOptions,
  type TrainState,
  train,
} from './loop.js'
export {
  type BinaryCrossEntropyOptions,
  type CrossEntropyLossOptions,
  type CtcOptions,
  type HuberOptions,
  type KnownLoss,
  type Loss,
  type LossFunction,
  type LossName,
  losses,
  lossFunction,
  type OutputContext,
  type SoftContext,
} from './losses/index.js'
export { type ErrorRateOptions, type Metric, type MetricName, metrics } from './metrics/index.js'
export type { ObjectiveOptions } from './objective.js'
export type { OutputPath } from './output.js'
export type { Phase } from './phase.js'
export type { Teacher, TeacherOptions } from './teacher.js'
