import { maybe, number, object, pair, signature } from '../base/schema/index.js'
import { FusedOptimizer, type Rule } from './fused.js'
import type { OptimizerFactory } from './optimizer.js'

/** Options of {@link adamw}. */
export interface AdamWOptions {
  /** Learning rate, above 0; 1e-3 by default. */
  lr?: number | undefined
  /** Decay of the two moments, each 0 to below 1; 0.9 and 0.999 by default. */
  betas?: readonly [number, number] | undefined
  /** Added to the root of the second moment, above 0; 1e-8 by default. */
  eps?: number | undefined
  /** Shrinks the weights by `lr * weightDecay`, past the moments; 0 or more, 0.01 by default. */
  weightDecay?: number | undefined
}

const BETA = number({ min: 0, below: 1 })

/** @internal */
export const ADAMW = signature('adamw', [
  'options',
  object<AdamWOptions>({
    lr: maybe(number({ above: 0 })),
    betas: maybe(pair(BETA, 'two numbers from 0 to below 1')),
    eps: maybe(number({ above: 0 })),
    weightDecay: maybe(number({ min: 0 })),
  }),
])

/**
 * AdamW as PyTorch defines it; its bias correction counts the optimizer's steps, also for a parameter whose first gradient
 * comes later. A regularizer's penalty is decoupled, too, unless it says otherwise.
 *
 * Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (ICLR 2019), algorithm 2.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { adamw, load, train } from 'espalier'
 * import { data } from './data.js'
 *
 * const optimizer = adamw({ lr: 1e-3, weightDecay: 0.05 })
 * const options = { data, loss: 'cross-entropy', epochs: 1, optimizer } as const
 * for await (const event of train(await load('model.pt'), options)) console.log(event.kind, event.lr)
 * // batch 0.001
 * // epoch 0.001
 * ```
 */
export function adamw(options: AdamWOptions = {}): OptimizerFactory {
  ADAMW.check(options)
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 } = options
  const [beta1, beta2] = betas
  const rule: Rule = {
    op: 'espalier::adamw_',
    parts: ['mean', 'square'],
    keeps: true,
    settings: (rate, decoupled, steps) => [steps, rate, beta1, beta2, eps, weightDecay, decoupled],
  }
  return {
    name: 'adamw',
    lr,
    description: { name: 'adamw', lr, betas: [beta1, beta2], eps, weightDecay },
    stepping: (rate) => ({ lr: rate, weightDecay, adaptive: true }),
    bind: (parameters, state) => new FusedOptimizer(parameters, lr, rule, state),
  }
}
