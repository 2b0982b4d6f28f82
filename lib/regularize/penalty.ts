import type { ChannelGroups } from '../groups/groups.js'
import { scoredMembers } from '../importance/criterion.js'
import type { ParameterOwner } from '../importance/index.js'
import { isParameter } from '../importance/weights.js'
import type { Coupling, PenaltyTerm } from '../optim/penalty-term.js'
import { layoutTensor } from '../optim/penalty-term.js'
import { call, keep, type OpCall, PenaltyHook, run, scope, Tensor } from '../torch/index.js'
import type { ApplyOptions, Reg } from './types.js'

/** What the kernels know of the model: see native/ops/plan.h. */
interface KernelPlan {
  layout: Tensor
  scatterBegin: Tensor
  scatterUnits: Tensor
  gatherBegin: Tensor
  gatherSlots: Tensor
}

type Norm = 'abs' | 'square'

/** A penalty on the units of all groups. */
export interface Penalty {
  readonly term: PenaltyTerm | undefined
  /** Takes over these penalties, unless they are the very ones that it holds. */
  set(reg: Reg): Promise<void>
  /** Adds it once. */
  apply(options: ApplyOptions): Promise<void>
  /** Adds it as gradients arrive; absent for a penalty that can't. */
  hook?(): PenaltyHook
  dispose(): void
}

/**
 * The penalty `reg / 2 * ||w||²` of every unit, by the kernels of native/ops: `grad += coefficient * w`, where an element's
 * coefficient is the sum, over the parameter's dimensions and the groups that meet in each, of their `reg`. Every parameter
 * slice of a unit takes part: rows and columns, biases, norm weights and biases, depthwise filters, raw parameters.
 */
export class UnitPenalty implements Penalty {
  readonly #groups: ChannelGroups
  readonly #coupling: Coupling
  /** All parameters of the groups; those that train are penalised, all are measured. */
  readonly #parameters: readonly Tensor[]
  readonly #plan: KernelPlan
  readonly #coefficients: Tensor
  /** Layout of the parameters that train. */
  readonly #active: Tensor
  readonly term: PenaltyTerm
  /** The penalties that the coefficients come from. */
  #held: Reg | undefined

  private constructor(
    groups: ChannelGroups,
    coupling: Coupling,
    parameters: readonly Tensor[],
    plan: KernelPlan,
    coefficients: Tensor,
  ) {
    this.#groups = groups
    this.#coupling = coupling
    this.#parameters = parameters
    this.#plan = plan
    this.#coefficients = coefficients
    const rows = plan.layout.data() as BigInt64Array
    const layouts = parameters.flatMap((parameter, k) => {
      const layout = Array.from(rows.subarray(4 * k, 4 * k + 4), Number) as [number, number, number, number]
      return parameter.requiresGrad ? ([[parameter, layout]] as const) : []
    })
    this.term = { coupling, coefficients, layouts: new Map(layouts) }
    this.#active = keep(layoutTensor([...this.term.layouts.values()]))
  }

  static of(model: ParameterOwner, groups: ChannelGroups, coupling: Coupling): UnitPenalty {
    const { parameters, slices, units } = slicesOf(model, groups)
    return scope(() => {
      const table = Tensor.from(slices, [slices.length / 5, 5])
      const made = call('espalier::reg_plan', [parameters, table, units]) as Tensor[]
      const [layout, scatterBegin, scatterUnits, gatherBegin, gatherSlots] = made.map(keep) as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ]
      const coefficients = keep(Tensor.zeros([scatterBegin.numel - 1], { device: scatterBegin.device }))
      const plan = { layout, scatterBegin, scatterUnits, gatherBegin, gatherSlots }
      return new UnitPenalty(groups, coupling, parameters, plan, coefficients)
    })
  }

  async set(reg: Reg): Promise<void> {
    if (reg === this.#held) return
    this.#held = undefined
    await scope(() => run([this.#scatter(this.#flat(reg))], NOTHING))
    this.#held = reg
  }

  async apply({ scale = 1, lr }: ApplyOptions): Promise<void> {
    const parameters = [...this.term.layouts.keys()]
    if (parameters.length === 0) return
    // Onto the weights themselves, or onto the gradients that they have.
    const decoupled = this.#coupling === 'decoupled'
    const factor = decoupled ? -(lr as number) : scale
    const args = [decoupled ? parameters : [], parameters, this.#active, this.#coefficients, factor]
    await run([{ op: 'espalier::reg_apply_', args }], NOTHING)
  }

  hook(): PenaltyHook {
    return new PenaltyHook([...this.term.layouts.keys()], this.#active, this.#coefficients)
  }

  /** Sums of |w| or w² over the weights of each unit, by group id. */
  async sums(norm: Norm): Promise<Float32Array[]> {
    const data = await scope(async () => {
      const [sums] = await run(this.#measure(norm), { returns: [1] })
      return (sums as Tensor).data() as Float32Array
    })
    return this.#split(data)
  }

  /** One growth step by group L2, from a copy of `reg`; it holds the new penalties then. */
  async grown(reg: Reg, deltaReg: number, ceiling: number): Promise<{ reg: Float32Array[]; skipped: number[] }> {
    this.#held = undefined
    const result = await scope(async () => {
      const grown = this.#flat(reg)
      const { device } = grown
      const skipped = Tensor.zeros([reg.length], { dtype: 'int32', device })
      const starts = offsetsOf(this.#groups)
      const table = Int32Array.from(this.#groups.groups.flatMap(({ size }, g) => [starts[g]!, size]))
      const args = [grown, skipped, { result: 1 }, Tensor.from(table, [reg.length, 2], { device }), deltaReg, ceiling]
      const grow = { op: 'espalier::reg_grow_', args }
      await run([...this.#measure('square'), grow, this.#scatter(grown)], NOTHING)
      const counts = Array.from(skipped.data() as Int32Array)
      return {
        reg: this.#split(grown.data() as Float32Array),
        skipped: [...counts.keys()].filter((g) => counts[g]! > 0),
      }
    })
    this.#held = result.reg
    return result
  }

  dispose(): void {
    for (const tensor of [...Object.values(this.#plan), this.#coefficients, this.#active]) tensor.dispose()
  }

  /** Calls 0 and 1 of a program; the second gives one sum per unit. */
  #measure(norm: Norm): OpCall[] {
    const { layout, gatherBegin, gatherSlots } = this.#plan
    return [
      { op: 'espalier::norms', args: [this.#parameters, layout, this.#coefficients.numel, norm] },
      { op: 'espalier::unit_sums', args: [{ result: 0 }, gatherBegin, gatherSlots] },
    ]
  }

  #scatter(reg: Tensor): OpCall {
    const { scatterBegin, scatterUnits } = this.#plan
    return { op: 'espalier::reg_scatter_', args: [this.#coefficients, reg, scatterBegin, scatterUnits] }
  }

  /** One after the other, where the weights are. */
  #flat(reg: Reg): Tensor {
    const all = new Float32Array(reg.reduce((sum, { length }) => sum + length, 0))
    let start = 0
    for (const regOfGroup of reg) {
      all.set(regOfGroup, start)
      start += regOfGroup.length
    }
    return Tensor.from(all, [all.length], { device: this.#coefficients.device })
  }

  #split(values: Float32Array): Float32Array[] {
    const starts = offsetsOf(this.#groups)
    return this.#groups.groups.map(({ size }, g) => values.slice(starts[g], starts[g]! + size))
  }
}

const NOTHING = { returns: [], flushDenormals: true } as const

/** Number of a group's first unit among all units. */
function offsetsOf({ groups }: ChannelGroups): number[] {
  let next = 0
  return groups.map(({ size }) => {
    const first = next
    next += size
    return first
  })
}

/** Tensor, dimension, coordinate, unit, scored; for every slice of every unit. */
function slicesOf(model: ParameterOwner, groups: ChannelGroups) {
  const owned = model.parameters()
  const parameters: Tensor[] = []
  const numbers = new Map<string, number>()
  const slices: number[] = []
  const starts = offsetsOf(groups)
  let units = 0
  groups.groups.forEach((group, g) => {
    units += group.size
    const scored = new Set(scoredMembers(group))
    for (const member of group.members) {
      const parameter = owned.get(member.name)
      if (!isParameter(member) || parameter === undefined) continue
      let number = numbers.get(member.name)
      if (number === undefined) {
        number = parameters.push(parameter) - 1
        numbers.set(member.name, number)
      }
      const isScored = scored.has(member) ? 1 : 0
      member.coords.forEach((coordinate, k) => {
        slices.push(number, member.dim, coordinate, starts[g]! + member.units[k]!, isScored)
      })
    }
  })
  return { parameters, slices: Int32Array.from(slices), units }
}
