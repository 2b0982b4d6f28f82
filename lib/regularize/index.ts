/** Regularizers: what pushes the units that are to go towards zero while the model trains. */

export type { Coupling, PenaltyTerm } from '../optim/penalty-term.js'
export { checkStability, type Stepping, stabilityBound } from '../optim/stability.js'
export type { ClosedLoopOptions } from './closed-loop.js'
export { type DimensionCoefficients, dimensionCoefficients, largestCoefficient } from './coefficients.js'
export { type FadingOptions, fading } from './fading.js'
export { growChosen, growGroup } from './formula.js'
export { GREG1_PUBLISHED, type GReg1Options, greg1 } from './greg1.js'
export { GREG2_PUBLISHED, type GReg2Options, greg2 } from './greg2.js'
export { GROWING_TO_THE_CUT, type GrowingOptions, growing } from './growing.js'
export type { Growth, Moment, Schedule } from './schedule.js'
export { scheduled } from './scheduled.js'
export {
  type BnScaleOptions,
  bnScale,
  type ConstantL2Options,
  constantL2,
  type GroupLassoOptions,
  groupLasso,
} from './simple.js'
export type {
  ApplyOptions,
  GroupEvent,
  Quantiles,
  Reg,
  Regularizer,
  RegularizerContext,
  RegularizerEvent,
  RegularizerFactory,
  RegularizerState,
  RemovedUnits,
  Stage as RegularizerStage,
} from './types.js'
