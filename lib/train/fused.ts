import { EspalierError } from '../errors.js'
import type { PenaltyTerm } from '../regularize/index.js'
import { layoutTensor } from '../regularize/penalty.js'
import { call, keep, type OpArg, run, scope, Tensor } from '../torch/index.js'
import type { Optimizer, OptimizerState } from './optimizer.js'

/** What distinguishes one optimizer from another. */
export interface Rule {
  /** Operator of native/ops. Its arguments: weights, gradients, one list for each part, layout, coefficients, settings. */
  op: string
  /** Tensors that it can keep for each parameter, in the order of its arguments. */
  parts: readonly string[]
  /** Whether it keeps them with these options; they start at zero. */
  keeps: boolean
  /** @param steps steps so far, this one included */
  settings(lr: number, decoupled: boolean, steps: number): readonly OpArg[]
}

/** An optimizer whose step is one operator: all parameters, and the penalty, in one pass over the weights. */
export class FusedOptimizer implements Optimizer {
  lr: number
  readonly #names: ReadonlyMap<Tensor, string>
  readonly #parameters: readonly Tensor[]
  readonly #rule: Rule
  readonly #kept = new Map<Tensor, Readonly<Record<string, Tensor>>>()
  #steps = 0

  constructor(parameters: ReadonlyMap<string, Tensor>, lr: number, rule: Rule, state?: OptimizerState) {
    this.#names = new Map([...parameters].reverse().map(([name, parameter]) => [parameter, name]))
    this.#parameters = [...new Set(parameters.values())].filter((parameter) => parameter.requiresGrad)
    this.lr = lr
    this.#rule = rule
    if (state !== undefined) this.#goOnFrom(state)
  }

  #goOnFrom({ steps, tensors }: OptimizerState): void {
    this.#steps = steps
    for (const parameter of this.#parameters) {
      const name = this.#names.get(parameter) as string
      const saved = tensors.get(name)
      if (saved === undefined) continue
      this.#kept.set(
        parameter,
        this.#made((part) => copyOf(saved[part], part, name, parameter)),
      )
    }
  }

  #made(make: (part: string) => Tensor): Readonly<Record<string, Tensor>> {
    const { parts, keeps } = this.#rule
    return Object.fromEntries(keeps ? parts.map((part) => [part, keep(make(part))]) : [])
  }

  state(): OptimizerState {
    const tensors = [...this.#kept].map(([parameter, parts]) => [this.#names.get(parameter) as string, parts] as const)
    return { steps: this.#steps, tensors: new Map(tensors) }
  }

  step(penalty?: PenaltyTerm): Promise<void> {
    return scope(async () => {
      if (penalty !== undefined) this.#mustHold(penalty)
      const moving = this.#parameters.flatMap((parameter) => {
        const { grad } = parameter
        if (grad === null) return []
        const parts = this.#kept.get(parameter) ?? this.#made(() => zerosLike(parameter))
        this.#kept.set(parameter, parts)
        return [{ parameter, grad, parts }]
      })
      this.#steps++
      if (moving.length === 0) return
      const weights = moving.map(({ parameter }) => parameter)
      const kept = this.#rule.parts.map((part) => moving.flatMap(({ parts }) => parts[part] ?? []))
      const layout = layoutTensor(weights.map((weight) => penalty?.layouts.get(weight) ?? [1, weight.numel, -1, -1]))
      const coefficients = penalty?.coefficients ?? Tensor.zeros([0])
      const settings = this.#rule.settings(this.lr, penalty?.coupling === 'decoupled', this.#steps)
      const args = [weights, moving.map(({ grad }) => grad), ...kept, layout, coefficients, ...settings]
      await run([{ op: this.#rule.op, args }], { returns: [], flushDenormals: true })
    })
  }

  /** Every penalised parameter is stepped: one without a gradient has a loss gradient of zero. */
  #mustHold(penalty: PenaltyTerm): void {
    for (const parameter of penalty.layouts.keys()) {
      if (!this.#names.has(parameter)) {
        throw new EspalierError('ERR_INVALID_ARGUMENT', 'the penalty acts on a parameter that this optimizer has not')
      }
      if (parameter.grad === null) parameter.grad = zerosLike(parameter)
    }
  }

  zeroGrad(): void {
    for (const parameter of this.#parameters) parameter.grad = null
  }

  dispose(): void {
    for (const parts of this.#kept.values()) for (const tensor of Object.values(parts)) tensor.dispose()
    this.#kept.clear()
  }
}

const zerosLike = (tensor: Tensor): Tensor => call('aten::zeros_like', [tensor], { noGrad: true }) as Tensor

function copyOf(saved: Tensor | undefined, part: string, name: string, parameter: Tensor): Tensor {
  if (saved === undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `the state of ${name} has no '${part}'`)
  if (saved.shape.join() !== parameter.shape.join()) {
    const message = `the state of ${name} has shape [${saved.shape}], the parameter [${parameter.shape}]`
    throw new EspalierError('ERR_INVALID_ARGUMENT', message)
  }
  return call('aten::clone', [saved]) as Tensor
}
