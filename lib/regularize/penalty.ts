import type { ChannelGroups } from '../graph/groups.js'
import type { ParameterOwner } from '../importance/index.js'
import { keep, type OpCall, run, scope, Tensor } from '../torch/index.js'
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

  constructor(model: ParameterOwner, groups: ChannelGroups) {
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
  apply(): Promise<void> {
    return scope(async () => {
      const program = this.#terms.map(({ parameter, coefficient }): OpCall => {
        const { grad } = parameter
        return grad
          ? { op: 'aten::addcmul_', args: [grad, coefficient, parameter] }
          : { op: 'aten::mul.Tensor', args: [coefficient, parameter] }
      })
      const missing = [...program.keys()].filter((k) => program[k]!.op === 'aten::mul.Tensor')
      const made = await run(program, { returns: missing, flushDenormals: true })
      missing.forEach((k, i) => {
        this.#terms[k]!.parameter.grad = made[i] as Tensor
      })
    })
  }

  dispose(): void {
    for (const { coefficient } of this.#terms) coefficient.dispose()
    this.#terms = []
  }
}

/** The sum of the dimensions' coefficients, each along its own dimension. It outlives the caller's scope. */
async function coefficientOf(parameter: Tensor, dimensions: readonly DimensionCoefficients[]): Promise<Tensor> {
  const { dtype, shape } = parameter
  const coefficient = await scope(async () => {
    const parts = dimensions.map(({ dim, values }) => {
      const along = shape.map((_, d) => (d === dim ? values.length : 1))
      return Tensor.from(values, along, { dtype })
    })
    const [first, ...rest] = parts as [Tensor, ...Tensor[]]
    const sums = rest.map(
      (part, k): OpCall => ({ op: 'aten::add.Tensor', args: [k ? { result: k - 1 } : first, part] }),
    )
    if (sums.length === 0) return first
    const [sum] = await run(sums, { returns: [sums.length - 1] })
    return sum as Tensor
  })
  return keep(coefficient)
}
