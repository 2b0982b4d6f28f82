import { mseLoss } from '../../torch/index.js'
import type { NamedLoss } from './loss.js'
import { mustHaveShape } from './shape.js'

/** Output and targets of one shape. */
export const mse: NamedLoss = (output, targets) => {
  mustHaveShape('mse', output, targets)
  return mseLoss(output, targets)
}
