import { EspalierError } from '../../base/errors.js'
import { either, func, maybe, oneOf, shown, signature } from '../../base/schema/index.js'
import { type ModuleOutput, Tensor } from '../../torch/index.js'
import { CLASS_AXIS, type ClassAxis } from '../classes.js'
import { crossEntropy } from './cross-entropy.js'
import type { LossFunction } from './loss.js'
import { mse } from './mse.js'

export type { LossFunction } from './loss.js'

/** By the name of the option. */
const LOSSES = { 'cross-entropy': crossEntropy, mse } as const

/** Losses by the name of their option. */
export type LossName = keyof typeof LOSSES

/**
 * `'cross-entropy'`: output `[n, classes, ...]` or `[n, ..., classes]`, targets int64 `[n, ...]`, or probabilities of the shape of
 * the output; a target of -100 is left out. Where both forms fit, `classAxis` says which it is. `'mse'`: output and targets of one
 * shape. Both are means over the batch. A model with another form of output needs a function.
 */
export type Loss = LossName | LossFunction

const NAMES = Object.keys(LOSSES) as LossName[]

/** @internal */
export const LOSS = either(
  `${NAMES.map((name) => `'${name}'`).join(', ')} or a function`,
  oneOf(...NAMES),
  func<LossFunction>(),
)

/** @internal */
export const LOSS_FUNCTION = signature('lossFunction', ['loss', LOSS], ['classAxis', maybe(CLASS_AXIS)])

/**
 * A loss as the function that `train` and `evaluate` call: `(output, targets) => Promise<Tensor>`, the mean over the batch.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT; the function, when output and targets don't fit, or a target is no class
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { lossFunction } from 'espalier/analysis'
 *
 * const loss = await lossFunction('mse')(Tensor.from([1, 2], [2]), Tensor.from([1, 5], [2]))
 * console.log(loss.item()) // 4.5
 * ```
 */
export function lossFunction(loss: Loss, classAxis?: ClassAxis): LossFunction {
  LOSS_FUNCTION.check(loss, classAxis)
  if (typeof loss === 'string') return (output, targets) => LOSSES[loss](asTensor(output), targets, classAxis)
  return async (output, targets) => {
    const value: unknown = await loss(output, targets)
    if (value instanceof Tensor && value.numel === 1) return value
    const words = `the loss function must give a Tensor of one element, not ${shown(value)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
}

function asTensor(output: ModuleOutput): Tensor {
  if (output instanceof Tensor) return output
  throw new EspalierError('ERR_INVALID_ARGUMENT', "the model's output is not one tensor: pass a loss function")
}
