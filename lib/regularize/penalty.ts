import type { ChannelGroups } from '../graph/groups.js'
import { type OpCall, run, type ScriptModule, Tensor } from '../torch/index.js'
import { type DimensionCoefficients, dimensionCoefficients, type Reg } from './coefficients.js'

/** A parameter and its coefficient, of a shape that broadcasts to the parameter's. */
interface Term {
  parameter: Tensor
  coefficient: Tensor
}

/**
 * `grad += coefficient * w` over all penalised parameters: one pass per parameter, one job for all of them. The coefficient
 * tensors are made anew only when `reg` changes.
 */
export class Penalty {
  readonly #groups: ChannelGroups
  readonly #parameters: ReadonlyMap<string, Tensor>
  #terms: readonly Term[] = []

  constructor(model: ScriptModule, groups: ChannelGroups) {
    this.#groups = groups
    this.#parameters = model.parameters()
  }

  /** Takes over new penalties. */
  async set(reg: Reg): Promise<void> {
    const terms: Term[] = []
    for (const [name, dimensions] of dimensionCoefficients(this.#groups, reg)) {
      const parameter = this.#parameters.get(name)
      if (parameter?.requiresGrad) terms.push({ parameter, coefficient: await coefficientOf(parameter, dimensions) })
    }
    this.dispose()
    this.#terms = terms
  }

  /** Adds the penalty's gradient once. A parameter without a gradient gets one: its loss gradient is zero. */
  async apply(): Promise<void> {
    if (this.#terms.length === 0) return
    const grads = this.#terms.map(({ parameter }) => parameter.grad)
    const program = this.#terms.map(
      ({ parameter, coefficient }, k): OpCall =>
        grads[k]
          ? { op: 'aten::addcmul_', args: [grads[k], coefficient, parameter] }
          : { op: 'aten::mul.Tensor', args: [coefficient, parameter] },
    )
    const missing = grads.flatMap((grad, k) => (grad === null ? [k] : []))
    const made = await run(program, { returns: missing })
    missing.forEach((k, i) => {
      this.#terms[k]!.parameter.grad = made[i] as Tensor
    })
    for (const tensor of [...grads, ...made]) (tensor as Tensor | null)?.dispose()
  }

  dispose(): void {
    for (const { coefficient } of this.#terms) coefficient.dispose()
    this.#terms = []
  }
}

async function coefficientOf(parameter: Tensor, dimensions: readonly DimensionCoefficients[]): Promise<Tensor> {
  const { dtype, shape } = parameter
  const parts = dimensions.map(({ dim, values }) =>
    Tensor.from(
      values,
      shape.map((_, d) => (d === dim ? values.length : 1)),
      { dtype },
    ),
  )
  let [sum, ...rest] = parts as [Tensor, ...Tensor[]]
  for (const part of rest) {
    const [next] = await run([{ op: 'aten::add.Tensor', args: [sum, part] }])
    sum.dispose()
    part.dispose()
    sum = next as Tensor
  }
  return sum
}
