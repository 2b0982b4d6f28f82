import type { Stepping } from '../regularize/stability.js'
import type { Tensor } from '../torch/index.js'

/** An optimizer before it knows its parameters: what `sgd(options)` returns. */
export interface OptimizerFactory {
  readonly name: string
  /** Learning rate before the schedule. */
  readonly lr: number
  /** How it steps, at this learning rate; what {@link checkStability} needs. */
  stepping(lr: number): Stepping
  /** Takes the parameters that require gradients. */
  bind(parameters: ReadonlyMap<string, Tensor>): Optimizer
}

export interface Optimizer {
  /** Learning rate of the next step; a schedule sets it. */
  lr: number
  /** One step with the gradients as they are; parameters without one stay. Never interrupted halfway. */
  step(): Promise<void>
  /** Drops all gradients. */
  zeroGrad(): void
  /** Frees the optimizer's own tensors; parameters and gradients stay. */
  dispose(): void
}
