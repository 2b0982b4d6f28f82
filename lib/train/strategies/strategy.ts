import type { Random } from '../../base/random.js'
import type { Tensor } from '../../torch/index.js'
import type { TensorBatch } from '../data/batches.js'

/** The optimizer step that a strategy works for. */
export interface Step {
  /** From 1. */
  readonly iteration: number
  /** Of the seed and the iteration: the same in a run that goes on, and nothing else draws from it but strategies. */
  readonly random: Random
}

/** How the gradients of one optimizer step come about. Several work together: the parts of parts, the product of scales. */
export interface StepStrategy {
  /** The parts of a batch, each of which is a backward pass of its own; the batch as it is by default. */
  parts?(batch: TensorBatch, step: Step): Iterable<TensorBatch>
  /** What the loss is multiplied by before its backward pass; 1 by default. */
  readonly scale?: number
  /** Once all passes of a step are made, before gradients are looked at and clipped. */
  gathered?(parameters: ReadonlyMap<string, Tensor>, step: Step): Promise<void>
}
