import { EspalierError } from '../base/errors.js'
import { either, func, maybe, oneOf, shown, signature } from '../base/schema/index.js'
import { call, crossEntropy, type ModuleOutput, mseLoss, Tensor } from '../torch/index.js'
import { CLASS_AXIS, type ClassAxis, mustBeClasses, mustHaveClasses } from './classes.js'

/** From the model's output and the targets to a scalar tensor with a graph behind it. */
export type LossFunction = (output: ModuleOutput, targets: Tensor) => Tensor | Promise<Tensor>

/**
 * `'cross-entropy'`: output `[n, classes, ...]` or `[n, ..., classes]`, targets int64 `[n, ...]`, or probabilities of the shape of
 * the output; a target of -100 is left out. Where both forms fit, `classAxis` says which it is. `'mse'`: output and targets of one
 * shape. Both are means over the batch. A model with another form of output needs a function.
 */
export type Loss = 'cross-entropy' | 'mse' | LossFunction

/** @internal */
export const LOSS = either("'cross-entropy', 'mse' or a function", oneOf('cross-entropy', 'mse'), func<LossFunction>())

/** @internal */
export const LOSS_FUNCTION = signature('lossFunction', ['loss', LOSS], ['classAxis', maybe(CLASS_AXIS)])

/** @throws ERR_INVALID_ARGUMENT; the function, when output and targets don't fit, or a target is no class */
export function lossFunction(loss: Loss, classAxis?: ClassAxis): LossFunction {
  LOSS_FUNCTION.check(loss, classAxis)
  if (loss === 'cross-entropy') return (output, targets) => classLoss(asTensor(output), targets, classAxis)
  if (loss === 'mse') return (output, targets) => valueLoss(asTensor(output), targets)
  return async (output, targets) => {
    const value: unknown = await loss(output, targets)
    if (value instanceof Tensor && value.numel === 1) return value
    const words = `the loss function must give a Tensor of one element, not ${shown(value)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
}

async function classLoss(output: Tensor, targets: Tensor, given: ClassAxis | undefined): Promise<Tensor> {
  const axis = mustHaveClasses(output, targets, given)
  const classes = output.shape.at(axis) as number
  // On a GPU a wrong label would end all work on the device.
  if (output.device !== 'cpu') mustBeClasses(targets, classes)
  const first = (tensor: Tensor) =>
    axis === -1 && tensor.shape.length > 2 ? (call('aten::movedim.int', [tensor, -1, 1]) as Tensor) : tensor
  try {
    return await crossEntropy(first(output), targets.dtype === 'int64' ? targets : first(targets))
  } catch (error) {
    if (error instanceof EspalierError && error.code === 'ERR_TORCH') mustBeClasses(targets, classes)
    throw error
  }
}

/** LibTorch would stretch one to the shape of the other. */
function valueLoss(output: Tensor, targets: Tensor): Promise<Tensor> {
  if (output.shape.join() === targets.shape.join()) return mseLoss(output, targets)
  const words = `'mse' needs targets of the output's shape [${output.shape.join(', ')}], not [${targets.shape.join(', ')}]`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}

function asTensor(output: ModuleOutput): Tensor {
  if (output instanceof Tensor) return output
  throw new EspalierError('ERR_INVALID_ARGUMENT', "the model's output is not one tensor: pass a loss function")
}
