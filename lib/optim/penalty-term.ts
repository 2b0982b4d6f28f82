import { oneOf } from '../base/schema/index.js'
import { Tensor } from '../torch/index.js'

/**
 * How the penalty acts: `gradient` adds `reg * w` to the gradient, as weight decay in SGD does; `decoupled` shrinks the
 * weight by `lr * reg * w` past the optimizer's moments (Loshchilov and Hutter, Decoupled Weight Decay, ICLR 2019).
 */
export type Coupling = 'gradient' | 'decoupled'

/** @internal */
export const COUPLING = oneOf('gradient', 'decoupled')

/** What an optimizer needs to take the penalty into its own pass over the weights. */
export interface PenaltyTerm {
  coupling: Coupling
  /** float32 vector, changed in place when the penalty grows. */
  coefficients: Tensor
  /** By parameter: rows, columns, and where their coefficients start (-1: none), over the parameter's memory. */
  layouts: ReadonlyMap<Tensor, readonly [number, number, number, number]>
}

/** @internal int64 [n, 4] */
export function layoutTensor(layouts: readonly (readonly number[])[]): Tensor {
  return Tensor.from(BigInt64Array.from(layouts.flat(), BigInt), [layouts.length, 4])
}
