import { range } from '../base/numbers.js'
import { type Analysis, flatArgs, type OpEntry, survives, type TensorValue, type ValueId } from '../groups/index.js'
import { operatorOf } from '../operators/catalogue.js'
import { type Plan, removedUnits } from '../plan/plan.js'
import type { Compensation, Uncompensated } from './compensate.js'

/** A consumer of removed channels, before anything is measured. */
export interface Consumer {
  op: OpEntry
  weight: string
  /** Name of the scale, when the weight is the direction of a weight norm: `g v / |v|`. */
  scale?: string
  /** Along its input: the dimension of the channels. */
  place: { node: number; input: number; dim: number }
  removed: readonly number[]
  /** Outputs that stay. */
  kept: readonly number[]
  padded: boolean
  into: Compensation['into']
  name?: string
}

interface Found {
  consumers: Consumer[]
  uncompensated: Uncompensated[]
}

/** The operators that lose channels to a plan: those that can be compensated, and why the others can't. */
export function consumersOf(analysis: Analysis, plan: Plan): Found {
  const search = new Search(analysis, plan)
  const found: Found = { consumers: [], uncompensated: [] }
  for (const op of analysis.record.ops) {
    if (op.speculative || !analysis.live.has(op)) continue
    const consumer = search.consumer(op)
    if (typeof consumer === 'object') found.consumers.push(consumer)
    else if (consumer !== undefined) found.uncompensated.push({ scope: op.scope, operator: op.name, reason: consumer })
  }
  return found
}

class Search {
  private readonly analysis: Analysis
  private readonly plan: Plan
  private readonly removed: Uint8Array
  private readonly uses = new Map<ValueId, OpEntry[]>()
  private readonly madeBy = new Map<ValueId, OpEntry>()

  constructor(analysis: Analysis, plan: Plan) {
    this.analysis = analysis
    this.plan = plan
    this.removed = removedUnits(analysis, plan)
    const { ops, values } = analysis.record
    for (const op of ops) {
      const made = op.outputs.flatMap(flatArgs)
      for (const id of made) this.madeBy.set(id, op)
      // Operators that only ask for a shape change nothing of the value.
      if (!made.some((id) => values[id]?.kind === 'tensor')) continue
      for (const id of new Set(op.inputs.flatMap(flatArgs))) this.uses.set(id, [...(this.uses.get(id) ?? []), op])
    }
  }

  /** The consumer, a reason why it is left alone, or undefined for what loses no channels. */
  consumer(op: OpEntry): Consumer | string | undefined {
    const sums = operatorOf(op.name, op.overload)?.sums
    if (sums === undefined) return undefined
    const [input, weight, bias] = ['input', 'weight', 'bias'].map((argument) => this.tensor(op, argument))
    if (sums === 'left alone' || !input || !weight || this.number(op, 'transposed') === true) {
      return flatArgs(op.inputs).some((id) => this.sumsOverLost(op, id))
        ? 'its operator is none of those that are compensated'
        : undefined
    }
    const [outputs = 0, inputs = 0, ...kernel] = weight.value.shape
    const columns = this.analysis.axesOf(weight.id)?.[1]
    const removed = columns ? range(inputs).filter((column) => !survives(columns, column, this.removed)) : []
    if (removed.length === 0) return undefined
    const own = this.ownWeight(weight)
    if (typeof own === 'string') return own
    if (op.argNames.includes('groups') && this.number(op, 'groups') !== 1) return 'it has groups'
    const consumer = {
      ...{ op, ...own, removed, kept: this.plan.keep[own.weight]?.[0] ?? range(outputs) },
      padded: isPadded(op, this.analysis.record.values),
      place: { node: op.node, input: op.inputs.indexOf(input.id), dim: input.value.shape.length - 1 - kernel.length },
    }
    if (bias !== undefined) {
      const name = bias.value.names?.[0]
      const alone = name !== undefined && this.uses.get(bias.id)?.length === 1
      return alone ? { ...consumer, into: 'bias', name } : 'its bias is shared or computed'
    }
    const [norm, ...others] = this.uses.get(op.outputs[0] as ValueId) ?? []
    const mean =
      norm?.name === 'aten::batch_norm' && others.length === 0 ? this.tensor(norm, 'running_mean') : undefined
    const buffer = mean?.value.names?.[0]
    if (mean !== undefined && buffer !== undefined && this.uses.get(mean.id)?.length === 1) {
      return { ...consumer, into: 'norm-mean', name: buffer }
    }
    if (own.scale !== undefined) return 'its weight is computed, and it has no bias'
    // A constant of the graph is made in float32.
    return weight.value.dtype === 'float32' ? { ...consumer, into: 'new-bias' } : `its weight is ${weight.value.dtype}`
  }

  /** The parameters of a weight that only this consumer reads; a reason when there are none. */
  private ownWeight({ id, value }: Tensor): { weight: string; scale?: string } | string {
    // A weight that several operators read would need a constant for each.
    if (this.uses.get(id)?.length !== 1) return 'its weight is shared'
    const name = value.names?.[0]
    if (name !== undefined) return { weight: name }
    const norm = this.madeBy.get(id)
    const [v, g] = norm?.name.startsWith('aten::_weight_norm') ? [this.tensor(norm, 'v'), this.tensor(norm, 'g')] : []
    const [weight, scale] = [v, g].map((part) =>
      part && this.uses.get(part.id)?.length === 1 ? part.value.names?.[0] : undefined,
    )
    const byRow = norm && (this.number(norm, 'dim') ?? 0) === 0
    return weight !== undefined && scale !== undefined && byRow ? { weight, scale } : 'its weight is computed'
  }

  /** Whether an operand of a product is a parameter that loses what is summed over. */
  private sumsOverLost(op: OpEntry, id: ValueId): boolean {
    const value = this.analysis.record.values[id]
    if (value?.kind !== 'tensor' || value.shape.length < 2 || value.role !== 'parameter') return false
    const axis = this.analysis.axesOf(id)?.[op.name === 'aten::bilinear' ? 1 : 0]
    return axis !== undefined && range(axis.size).some((i) => !survives(axis, i, this.removed))
  }

  private tensor(op: OpEntry, argument: string): Tensor | undefined {
    const id = op.inputs[op.argNames.indexOf(argument)]
    const value = typeof id === 'number' ? this.analysis.record.values[id] : undefined
    return value?.kind === 'tensor' ? { id: id as ValueId, value } : undefined
  }

  private number(op: OpEntry, argument: string): unknown {
    const id = op.inputs[op.argNames.indexOf(argument)]
    const value = typeof id === 'number' ? this.analysis.record.values[id] : undefined
    return value === undefined || value.kind === 'tensor' ? undefined : value.value
  }
}

interface Tensor {
  id: ValueId
  value: TensorValue
}

/** Whether some window of a convolution meets zeros around its input. */
function isPadded(op: OpEntry, values: Analysis['record']['values']): boolean {
  const position = op.argNames.indexOf('padding')
  if (position < 0) return false
  return flatArgs(op.inputs[position]!).some((id) => {
    const value = values[id]
    return value === undefined || value.kind === 'tensor' || !(value.value === 0 || value.value === 'valid')
  })
}
