import { EspalierError } from '../errors.js'
import { crossEntropy, type ModuleOutput, mseLoss, Tensor } from '../torch/index.js'

/** From the model's output and the targets to a scalar tensor with a graph behind it. */
export type LossFunction = (output: ModuleOutput, targets: Tensor) => Tensor | Promise<Tensor>

/**
 * `'cross-entropy'`: output `[n, classes, ...]`, targets int64 `[n, ...]`. `'mse'`: output and targets of one shape. Both are
 * means over the batch. A model with another form of output needs a function.
 */
export type Loss = 'cross-entropy' | 'mse' | LossFunction

const LOSSES = { 'cross-entropy': crossEntropy, mse: mseLoss } as const

export function lossFunction(loss: Loss): LossFunction {
  if (typeof loss === 'function') return loss
  const known = LOSSES[loss]
  if (known === undefined) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      `'loss' must be a function or one of ${Object.keys(LOSSES).join(', ')}`,
    )
  }
  return (output, targets) => known(asTensor(output), targets)
}

function asTensor(output: ModuleOutput): Tensor {
  if (output instanceof Tensor) return output
  throw new EspalierError('ERR_INVALID_ARGUMENT', "the model's output is not one tensor: pass a loss function")
}
