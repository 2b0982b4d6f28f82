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
export { type Loss, type LossFunction, lossFunction } from './losses/index.js'
export type { Phase } from './phase.js'
