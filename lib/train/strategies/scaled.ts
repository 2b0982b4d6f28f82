import { unscale } from '../../optim/gradients.js'
import type { StepStrategy } from './strategy.js'

/** The loss is multiplied by `scale`, and the gradients are divided by it: small ones of float16 don't vanish. */
export function scaled(scale: number): StepStrategy {
  return scale === 1 ? {} : { scale, gathered: (parameters) => unscale(parameters, scale) }
}
