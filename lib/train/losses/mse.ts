import { EspalierError } from '../../base/errors.js'
import { mseLoss } from '../../torch/index.js'
import type { NamedLoss } from './loss.js'

/** Output and targets of one shape: LibTorch would stretch one to the shape of the other. */
export const mse: NamedLoss = (output, targets) => {
  if (output.shape.join() === targets.shape.join()) return mseLoss(output, targets)
  const words = `'mse' needs targets of the output's shape [${output.shape.join(', ')}], not [${targets.shape.join(', ')}]`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}
