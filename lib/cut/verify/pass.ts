/** One comparison of the cut model with the masked original. */
export interface Pass {
  weights: 'own' | 'refilled'
  /**
   * The example inputs; each joined to itself along dimension 0, where the model accepts another batch size; or of another
   * length or size, where it accepts one.
   */
  inputs: 'example' | 'doubled' | 'resized'
  /** Shapes of the tensors among the inputs, where they were resized. */
  shapes?: readonly (readonly number[])[]
  dtype: 'float64' | 'float32' | 'float16' | 'bfloat16'
  /**
   * Largest |cut - masked| over the largest |masked| of the same output, or over 0.001 of the largest of all outputs where
   * that is more (and over 1e-6 at least).
   */
  error: number
  /** |original - masked| by the same measure: how much the mask itself changes. */
  sensitivity: number
  /** Largest |masked|. */
  scale: number
}

export type Trial = Pick<Pass, 'weights' | 'inputs' | 'dtype' | 'shapes'>

interface Precision {
  /** Largest relative error that rounding explains. */
  tolerance: number
  /** Below this an error is rounding, whatever the mask changes. */
  rounding: number
  /** What the mask must change at least: far more than the tolerance hides. */
  sensitivity: number
  /** Part of what the mask changes that an error may be. */
  part: number
}

const PRECISION: Readonly<Record<Pass['dtype'], Precision>> = {
  float64: { tolerance: 1e-9, rounding: 1e-12, sensitivity: 1e-6, part: 1e-3 },
  float32: { tolerance: 1e-5, rounding: 1e-6, sensitivity: 1e-4, part: 1e-3 },
  float16: { tolerance: 4e-3, rounding: 2e-3, sensitivity: 4e-2, part: 0.1 },
  bfloat16: { tolerance: 3e-2, rounding: 1.5e-2, sensitivity: 0.25, part: 0.1 },
}

/** Why a pass fails; undefined when it holds. */
export function failureOf(pass: Pass): string | undefined {
  const { tolerance, rounding, part } = PRECISION[pass.dtype]
  const { error, sensitivity } = pass
  if (!(error <= tolerance)) return `relative error ${error} ${inWords(pass)}`
  // (Of slices that were trained down to nothing a mask changes less than rounding does.)
  if (part * sensitivity <= rounding || error <= part * sensitivity) return undefined
  return `error ${error} is too large a part of what the mask changes, ${sensitivity}, ${inWords(pass)}`
}

/** Whether the mask changes enough for equal outputs to prove something. */
export function isTelling({ dtype, error, sensitivity }: Pass): boolean {
  const precision = PRECISION[dtype]
  return sensitivity >= precision.sensitivity && error <= Math.max(precision.rounding, precision.part * sensitivity)
}

/** Whether a difference is more than rounding explains. */
export function isSeen(difference: number, dtype: Pass['dtype']): boolean {
  return difference > PRECISION[dtype].rounding
}

export function inWords({ weights, inputs, shapes, dtype }: Trial): string {
  const sizes = shapes ? ` of shapes ${shapes.map((shape) => `[${shape.join(', ')}]`).join(', ')}` : ''
  return `with ${weights} weights, ${inputs} inputs${sizes}, in ${dtype}`
}
