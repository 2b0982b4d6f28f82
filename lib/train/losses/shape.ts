import { EspalierError } from '../../base/errors.js'
import type { Tensor } from '../../torch/index.js'

/**
 * For losses element by element: LibTorch would stretch one to the shape of the other.
 *
 * @throws ERR_INVALID_ARGUMENT, with both shapes
 */
export function mustHaveShape(loss: string, output: Tensor, targets: Tensor): void {
  if (output.shape.join() === targets.shape.join()) return
  const words = `'${loss}' needs targets of the output's shape [${output.shape.join(', ')}], not [${targets.shape.join(', ')}]`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}
