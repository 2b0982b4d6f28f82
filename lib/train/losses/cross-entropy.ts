import { EspalierError } from '../../base/errors.js'
import { call, crossEntropy as crossEntropyOf, type Tensor } from '../../torch/index.js'
import { mustBeClasses, mustHaveClasses } from '../classes.js'
import type { NamedLoss } from './loss.js'

/** Output `[n, classes, ...]` or `[n, ..., classes]`, targets int64 `[n, ...]`, or probabilities of the output's shape. */
export const crossEntropy: NamedLoss = async (output, targets, given) => {
  const axis = mustHaveClasses(output, targets, given)
  const classes = output.shape.at(axis) as number
  // On a GPU a wrong label would end all work on the device.
  if (output.device !== 'cpu') mustBeClasses(targets, classes)
  const first = (tensor: Tensor) =>
    axis === -1 && tensor.shape.length > 2 ? (call('aten::movedim.int', [tensor, -1, 1]) as Tensor) : tensor
  try {
    return await crossEntropyOf(first(output), targets.dtype === 'int64' ? targets : first(targets))
  } catch (error) {
    if (error instanceof EspalierError && error.code === 'ERR_TORCH') mustBeClasses(targets, classes)
    throw error
  }
}
