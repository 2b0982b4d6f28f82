import type { Described } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { type ModuleOutput, Tensor, type TypedArray } from '../../torch/index.js'
import type { ClassAxis } from '../classes.js'

/** What a loss or a metric may look at beside the output and the targets. */
export interface OutputContext {
  /** What the model was given. */
  inputs: readonly Tensor[]
  /** All that the model gave; the option `output` says which part of it the loss and the metrics are given. */
  whole: ModuleOutput
  /** All that the teacher gave for the same inputs; undefined without a teacher. */
  teacher: ModuleOutput | undefined
  /** The part of it that `output` names. */
  taught: ModuleOutput | undefined
  /** As the option says; undefined where it says nothing. */
  classAxis: ClassAxis | undefined
  /** The target that the loss leaves out. */
  ignoreIndex: number
  /** @internal The targets' elements where they are at hand: reading them off a device waits for all that it has to do. */
  labels?: TypedArray | undefined
}

/**
 * From the model's output, or the part of it that `output` names, and the targets to a scalar tensor with a graph behind it. Where the
 * data has no targets, they are undefined: a function for such data declares them as `Tensor | undefined`.
 */
export type LossFunction = (output: ModuleOutput, targets: Tensor, context: OutputContext) => Tensor | Promise<Tensor>

/** What a loss needs to know to compare with a teacher. */
export interface SoftContext {
  temperature: number
  targets: Tensor | undefined
  classAxis: ClassAxis | undefined
  ignoreIndex: number
}

/** A loss of ours: it knows its options, and how a teacher's output takes the place of targets. */
export interface KnownLoss extends Described {
  (output: ModuleOutput, targets: Tensor, context: OutputContext): Promise<Tensor>
  /** A target that is left out; -100 where there is none. */
  readonly ignoreIndex?: number
  /** The same with the teacher's output in the place of the targets, as a mean over the batch. */
  readonly soft?: (output: Tensor, taught: Tensor, about: SoftContext) => Promise<Tensor>
}

/** @throws ERR_INVALID_ARGUMENT where an output is not one tensor */
export function mustBeTensor(output: ModuleOutput): Tensor {
  if (output instanceof Tensor) return output
  throw new EspalierError('ERR_INVALID_ARGUMENT', "the model's output is not one tensor", {
    hint: "Say which part counts, such as output: 'logits' or output: 0, or pass a loss function.",
  })
}

/** @throws ERR_INVALID_ARGUMENT where the data has no targets */
export function mustHaveTargets(loss: string, targets: Tensor | undefined): Tensor {
  if (targets !== undefined) return targets
  throw new EspalierError('ERR_INVALID_ARGUMENT', `'${loss}' needs targets, and the data has none`, {
    hint: 'Leave the loss out and pass teacher: true, or give the data targets.',
  })
}
