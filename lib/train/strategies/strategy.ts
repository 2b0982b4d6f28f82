import type { Tensor } from '../../torch/index.js'
import type { TensorBatch } from '../data/batches.js'

/** How the gradients of one optimizer step come about. Several work together: the parts of parts, the product of scales. */
export interface StepStrategy {
  /** The parts of a batch, each of which is a backward pass of its own; the batch as it is by default. */
  parts?(batch: TensorBatch): Iterable<TensorBatch>
  /** What the loss is multiplied by before its backward pass; 1 by default. */
  readonly scale?: number
  /** Once all passes of a step are made, before gradients are looked at and clipped. */
  gathered?(parameters: ReadonlyMap<string, Tensor>): Promise<void>
}
