import type { ChannelGroups } from '../groups/groups.js'
import type { ParameterOwner } from '../importance/index.js'
import { isParameter } from '../importance/weights.js'
import { keep, type OpCall, run, scope, Tensor } from '../torch/index.js'
import { dimensionCoefficients } from './coefficients.js'
import type { Penalty } from './penalty.js'
import type { ApplyOptions, Reg } from './types.js'

/** The penalty `reg * |gamma|` on the scales of norms, and on nothing else: `grad += reg * sign(gamma)`. */
export class ScalePenalty implements Penalty {
  readonly #scales: ChannelGroups
  readonly #parameters: ReadonlyMap<string, Tensor>
  #terms: readonly { parameter: Tensor; coefficient: Tensor }[] = []
  #held: Reg | undefined
  readonly term = undefined

  constructor(model: ParameterOwner, groups: ChannelGroups) {
    this.#parameters = model.parameters()
    this.#scales = normScales(groups)
  }

  async set(reg: Reg): Promise<void> {
    if (reg === this.#held) return
    this.dispose()
    this.#held = reg
    this.#terms = [...dimensionCoefficients(this.#scales, reg)].flatMap(([name, dimensions]) => {
      const parameter = this.#parameters.get(name)
      if (!parameter?.requiresGrad) return []
      // The scale of a norm has one dimension.
      const { values } = dimensions[0]!
      return [
        {
          parameter,
          coefficient: keep(Tensor.from(values, [values.length], { dtype: parameter.dtype, device: parameter.device })),
        },
      ]
    })
  }

  async apply({ scale = 1 }: ApplyOptions): Promise<void> {
    await scope(async () => {
      const program = this.#terms.flatMap(({ parameter, coefficient }, k): OpCall[] => {
        const { grad } = parameter
        const sign: OpCall = { op: 'aten::sign', args: [parameter] }
        if (grad === null) {
          const term = Tensor.zeros(parameter.shape, { dtype: parameter.dtype, device: parameter.device })
          parameter.grad = term
          return [sign, { op: 'aten::addcmul_', args: [term, coefficient, { result: 2 * k }, scale] }]
        }
        return [sign, { op: 'aten::addcmul_', args: [grad, coefficient, { result: 2 * k }, scale] }]
      })
      await run(program, { returns: [] })
    })
  }

  dispose(): void {
    for (const { coefficient } of this.#terms) coefficient.dispose()
    this.#terms = []
  }
}

/** The groups with their norm weights alone. */
export function normScales(groups: ChannelGroups): ChannelGroups {
  const narrowed = groups.groups.map((group) => ({
    ...group,
    members: group.members.filter((member) => isParameter(member) && member.use === 'norm-weight'),
  }))
  return { ...groups, groups: narrowed }
}
