/** Regularizers: what pushes the units that are to go towards zero while the model trains. */
export { type DimensionCoefficients, dimensionCoefficients, largestCoefficient, type Reg } from './coefficients.js'
export { growGroup } from './formula.js'
export { type GReg1Options, greg1 } from './greg1.js'
export { type GrowingOptions, growing } from './growing.js'
export { checkStability, type Stepping, stabilityBound } from './stability.js'
export type {
  Regularizer,
  RegularizerContext,
  RegularizerFactory,
  RegularizerState,
  RemovedUnits,
} from './types.js'
