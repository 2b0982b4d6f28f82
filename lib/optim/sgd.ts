import { EspalierError } from '../base/errors.js'
import { flag, maybe, number, object, signature } from '../base/schema/index.js'
import { FusedOptimizer, type Rule } from './fused.js'
import type { OptimizerFactory } from './optimizer.js'

/** Options of {@link sgd}. */
export interface SgdOptions {
  /** Learning rate, above 0. */
  lr: number
  /** 0 to below 1; 0 by default. */
  momentum?: number | undefined
  /** Nesterov's form of momentum; false by default. Needs a momentum above 0. */
  nesterov?: boolean | undefined
  /** Added to the gradient as `weightDecay * w`, 0 or more; 0 by default. */
  weightDecay?: number | undefined
}

/** @internal */
export const SGD = signature('sgd', [
  'options',
  object<SgdOptions>({
    lr: number({ above: 0 }),
    momentum: maybe(number({ min: 0, below: 1 })),
    nesterov: maybe(flag),
    weightDecay: maybe(number({ min: 0 })),
  }),
])

/**
 * Stochastic gradient descent as PyTorch defines it (dampening 0): `g += weightDecay * w`, `v = momentum * v + g`,
 * `w -= lr * v`, or with Nesterov's form `w -= lr * (g + momentum * v)`.
 *
 * Source: Sutskever et al., On the importance of initialization and momentum in deep learning (ICML 2013).
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { load, sgd, train } from 'espalier'
 * import { data } from './data.js'
 *
 * const optimizer = sgd({ lr: 0.01, momentum: 0.9, weightDecay: 5e-4 })
 * const options = { data, loss: 'cross-entropy', epochs: 1, optimizer } as const
 * for await (const event of train(await load('model.pt'), options)) console.log(event.kind, event.lr)
 * // batch 0.01
 * // epoch 0.01
 * ```
 */
export function sgd(options: SgdOptions): OptimizerFactory {
  SGD.check(options)
  const { lr, momentum = 0, weightDecay = 0, nesterov = false } = options
  if (nesterov && momentum === 0) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "sgd: 'nesterov' needs a momentum above 0")
  }
  const rule: Rule = {
    op: 'espalier::sgd_',
    parts: ['velocity'],
    keeps: momentum > 0,
    settings: (rate, decoupled) => [rate, momentum, weightDecay, nesterov, decoupled],
  }
  return {
    name: 'sgd',
    lr,
    description: { name: 'sgd', lr, momentum, weightDecay, nesterov },
    stepping: (rate) => ({ lr: rate, momentum, weightDecay, nesterov }),
    bind: (parameters, state) => new FusedOptimizer(parameters, lr, rule, state),
  }
}
