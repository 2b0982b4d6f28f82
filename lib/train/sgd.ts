import { EspalierError } from '../errors.js'
import { atLeast, inRange } from '../options.js'
import { call, keep, type OpCall, run, scope, Tensor } from '../torch/index.js'
import type { Optimizer, OptimizerFactory, OptimizerState } from './optimizer.js'

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

/**
 * Stochastic gradient descent as PyTorch defines it (dampening 0): `g += weightDecay * w`, `v = momentum * v + g`,
 * `w -= lr * v`, or with Nesterov's form `w -= lr * (g + momentum * v)`.
 *
 * Source: Sutskever et al., On the importance of initialization and momentum in deep learning (ICML 2013).
 *
 * @throws ERR_INVALID_ARGUMENT for an option out of its range
 */
export function sgd(options: SgdOptions): OptimizerFactory {
  const lr = atLeast('lr', options.lr, Number.MIN_VALUE)
  const momentum = inRange('momentum', options.momentum ?? 0, 0, 1 - Number.EPSILON)
  const weightDecay = atLeast('weightDecay', options.weightDecay ?? 0, 0)
  const nesterov = options.nesterov ?? false
  if (nesterov && momentum === 0) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "'nesterov' needs a momentum above 0")
  }
  const rule = { momentum, weightDecay, nesterov }
  return {
    name: 'sgd',
    lr,
    stepping: (rate) => ({ lr: rate, ...rule }),
    bind: (parameters, state) => new Sgd(parameters, lr, rule, state),
  }
}

interface Rule {
  momentum: number
  weightDecay: number
  nesterov: boolean
}

/** A parameter with a gradient, on its way through one step. */
interface Moving {
  parameter: Tensor
  grad: Tensor
  velocity: Tensor | undefined
  first: boolean
}

class Sgd implements Optimizer {
  lr: number
  readonly #names: ReadonlyMap<Tensor, string>
  readonly #parameters: readonly Tensor[]
  readonly #rule: Rule
  readonly #velocities = new Map<Tensor, Tensor>()

  constructor(parameters: ReadonlyMap<string, Tensor>, lr: number, rule: Rule, state: OptimizerState = new Map()) {
    this.#names = new Map([...parameters].reverse().map(([name, parameter]) => [parameter, name]))
    this.#parameters = [...new Set(parameters.values())].filter((parameter) => parameter.requiresGrad)
    this.lr = lr
    this.#rule = rule
    for (const parameter of this.#parameters) this.#goOnFrom(parameter, state)
  }

  #goOnFrom(parameter: Tensor, state: OptimizerState): void {
    const name = this.#names.get(parameter) as string
    const velocity = state.get(name)?.velocity
    if (velocity === undefined) return
    if (velocity.shape.join() !== parameter.shape.join()) {
      const message = `the state of ${name} has shape [${velocity.shape}], the parameter [${parameter.shape}]`
      throw new EspalierError('ERR_INVALID_ARGUMENT', message)
    }
    this.#velocities.set(parameter, keep(call('aten::clone', [velocity]) as Tensor))
  }

  state(): OptimizerState {
    return new Map(
      [...this.#velocities].map(([parameter, velocity]) => [this.#names.get(parameter) as string, { velocity }]),
    )
  }

  step(): Promise<void> {
    return scope(async () => {
      const alike = groupBy(this.#moving(), ({ parameter, first }) => `${parameter.dtype} ${first}`)
      const program = [...alike.values()].map((moving) => this.#fused(moving))
      if (program.length > 0) await run(program, { returns: [], flushDenormals: true })
    })
  }

  #moving(): Moving[] {
    return this.#parameters.flatMap((parameter) => {
      const { grad } = parameter
      if (grad === null) return []
      const first = !this.#velocities.has(parameter)
      if (first && this.#rule.momentum > 0) {
        this.#velocities.set(parameter, keep(Tensor.zeros(parameter.shape, { dtype: parameter.dtype })))
      }
      return [{ parameter, grad, velocity: this.#velocities.get(parameter), first }]
    })
  }

  /** aten::_fused_sgd_(self, grads, momentum_buffers, *, weight_decay, momentum, lr, dampening, nesterov, maximize, is_first_step) */
  #fused(moving: readonly Moving[]): OpCall {
    const { momentum, weightDecay, nesterov } = this.#rule
    const velocities = moving.flatMap(({ velocity }) => (velocity === undefined ? [] : [velocity]))
    return {
      op: 'aten::_fused_sgd_',
      args: [
        moving.map(({ parameter }) => parameter),
        moving.map(({ grad }) => grad),
        velocities,
        weightDecay,
        momentum,
        this.lr,
        0,
        nesterov,
        false,
        moving[0]!.first,
      ],
    }
  }

  zeroGrad(): void {
    for (const parameter of this.#parameters) parameter.grad = null
  }

  dispose(): void {
    for (const velocity of this.#velocities.values()) velocity.dispose()
    this.#velocities.clear()
  }
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}
