import { type Axis, equateAxes, fixAxis, fixedAxis, isFixedAxis, splitAxis } from './axes.js'
import { type Coordinate, Coordinates } from './coordinates.js'
import type { FreezeReason, GroupKind, MemberUse } from './groups.js'
import type { Arg, OpEntry, OpRecord, TensorValue, ValueId } from './record.js'

/** A tensor value as the rules see it. */
export interface Tensor {
  id: ValueId
  shape: readonly number[]
  /** One for each dimension. */
  axes: readonly Axis[]
  /**
   * For each dimension: slices at removed coordinates hold zeros in the masked model ("zero when dead"). Sums over such
   * an axis stay exact when it is cut.
   */
  zero: readonly boolean[]
}

/** A dimension of a parameter or buffer and what an operator uses it for. */
export interface Use {
  id: ValueId
  dim: number
  use: MemberUse
}

/** Everything the rules write to while they walk a record. */
export class Graph {
  readonly coordinates = new Coordinates()
  readonly uses = new Map<string, Use>()
  private readonly tensors = new Map<ValueId, Tensor>()
  /** Where a value is a parameter with its dimensions permuted: `weight.t()`. */
  private readonly origins = new Map<ValueId, { id: ValueId; dims: readonly number[] }>()
  private readonly pinnedInput: Coordinate

  readonly record: OpRecord
  /** Every equality the rules asked for, to be checked at the end. */
  readonly relations: { a: Axis; b: Axis; reason: FreezeReason }[] = []

  constructor(record: OpRecord) {
    this.record = record
    this.pinnedInput = this.coordinates.pinned({ kind: 'model input' })
  }

  value(id: ValueId): TensorValue | undefined {
    const v = this.record.values[id]
    return v?.kind === 'tensor' ? v : undefined
  }

  has(id: ValueId): boolean {
    return this.tensors.has(id)
  }

  tensor(id: ValueId): Tensor {
    const known = this.tensors.get(id)
    if (known) return known
    const value = this.value(id)
    if (!value) throw new TypeError(`value ${id} of the record is no tensor`)
    const made = { id, shape: value.shape, ...this.source(value) }
    this.tensors.set(id, made)
    return made
  }

  set(id: ValueId, axes: readonly Axis[], zero: readonly boolean[]): void {
    const value = this.value(id)
    if (!value) return
    if (axes.length !== value.shape.length || axes.some((axis, d) => axis.length !== value.shape[d])) {
      throw new RangeError(`axes [${axes.map((a) => a.length)}] do not fit value ${id} of shape [${value.shape}]`)
    }
    this.tensors.set(id, { id, shape: value.shape, axes, zero })
  }

  equate(a: Axis, b: Axis, reason: FreezeReason): void {
    if (a === b) return
    equateAxes(this.coordinates, a, b, reason)
    this.relations.push({ a, b, reason })
  }

  derive(id: ValueId, from: ValueId, dims: readonly number[]): void {
    const origin = this.origins.get(from) ?? this.asOrigin(from)
    if (origin) this.origins.set(id, { id: origin.id, dims: dims.map((d) => origin.dims[d] as number) })
  }

  /** Notes what dimension `dim` of a value serves as, when that value is a parameter or buffer. The first use counts. */
  use(id: ValueId, dim: number, use: MemberUse): void {
    const origin = this.origins.get(id) ?? this.asOrigin(id)
    if (!origin) return
    const own = origin.dims[dim] as number
    const key = `${origin.id}.${own}`
    if (!this.uses.has(key)) this.uses.set(key, { id: origin.id, dim: own, use })
  }

  private asOrigin(id: ValueId) {
    const value = this.value(id)
    if (value?.role !== 'parameter' && value?.role !== 'buffer') return undefined
    return { id, dims: value.shape.map((_, d) => d) }
  }

  /** Axes of a tensor that no operator made. */
  private source(value: TensorValue): { axes: Axis[]; zero: boolean[] } {
    const all = (make: (size: number) => Axis) => value.shape.map((n) => (n === 1 ? fixedAxis(1) : make(n)))
    switch (value.role) {
      case 'parameter':
        return { axes: all((n) => this.coordinates.fresh(n)), zero: value.shape.map(() => true) }
      case 'buffer':
        return { axes: all((n) => this.coordinates.fresh(n)), zero: value.shape.map(() => false) }
      case 'constant': {
        const pin = this.coordinates.pinned({ kind: 'constant tensor' })
        return { axes: all((n) => new Int32Array(n).fill(pin)), zero: value.shape.map(() => false) }
      }
      case 'input':
        return { axes: all((n) => new Int32Array(n).fill(this.pinnedInput)), zero: value.shape.map(() => false) }
      default:
        return { axes: all(fixedAxis), zero: value.shape.map(() => false) }
    }
  }
}

/** One operator of the record, with its arguments by name: all that a rule needs. */
export class Op {
  readonly graph: Graph
  readonly entry: OpEntry

  constructor(graph: Graph, entry: OpEntry) {
    this.graph = graph
    this.entry = entry
  }

  get coordinates(): Coordinates {
    return this.graph.coordinates
  }

  reason(kind: string): FreezeReason {
    return { kind, operator: this.entry.name, scope: this.entry.scope }
  }

  /** The argument of that name; undefined when the schema has none or it is `None`. */
  arg(name: string): Arg | undefined {
    const i = this.entry.argNames.indexOf(name)
    const arg = i < 0 ? undefined : this.entry.inputs[i]
    if (typeof arg === 'number' && this.graph.record.values[arg]?.kind === 'none') return undefined
    return arg
  }

  tensor(name: string): Tensor | undefined {
    const arg = this.arg(name)
    return typeof arg === 'number' && this.graph.value(arg) ? this.graph.tensor(arg) : undefined
  }

  /** A tensor argument that the operator cannot do without. */
  input(name: string): Tensor {
    const tensor = this.tensor(name)
    if (!tensor) throw new TypeError(`${this.entry.name} has no tensor argument '${name}'`)
    return tensor
  }

  tensors(name: string): Tensor[] {
    const arg = this.arg(name)
    return arg === undefined ? [] : this.tensorsIn([arg])
  }

  /** All tensor arguments, lists included. */
  allInputs(): Tensor[] {
    return this.tensorsIn(this.entry.inputs)
  }

  allOutputs(): ValueId[] {
    return flat(this.entry.outputs).filter((id) => this.graph.value(id))
  }

  number(name: string): number | undefined {
    const arg = this.arg(name)
    return typeof arg === 'number' ? this.numberOf(arg) : undefined
  }

  int(name: string, fallback: number): number {
    return this.number(name) ?? fallback
  }

  /** A list of ints, or a single int as a list of one; undefined when absent. */
  ints(name: string): number[] | undefined {
    const arg = this.arg(name)
    if (arg === undefined) return undefined
    const list = typeof arg === 'number' ? [arg] : flat(arg)
    const numbers = list.map((id) => this.numberOf(id))
    return numbers.every((n) => n !== undefined) ? (numbers as number[]) : undefined
  }

  flag(name: string): boolean {
    const arg = this.arg(name)
    const v = typeof arg === 'number' ? this.graph.record.values[arg] : undefined
    return v !== undefined && v.kind !== 'tensor' && v.value === true
  }

  /** Non-negative form of dimension `dim` of a tensor. */
  dim(dim: number, rank: number): number {
    return dim < 0 ? dim + rank : dim
  }

  equate(a: Axis, b: Axis, kind = 'factors do not nest'): void {
    this.graph.equate(a, b, this.reason(kind))
  }

  fix(axis: Axis, kind: string): void {
    fixAxis(this.coordinates, axis, this.reason(kind))
  }

  isFixed(axis: Axis): boolean {
    return isFixedAxis(this.coordinates, axis)
  }

  split(axis: Axis, n: number, kinds: { outer: GroupKind; inner: GroupKind }): { outer: Axis; inner: Axis } {
    return splitAxis(this.coordinates, axis, n, kinds, this.reason('factors do not nest'))
  }

  output(axes: readonly Axis[], zero: readonly boolean[], index = 0): void {
    const id = this.allOutputs()[index]
    if (id !== undefined) this.graph.set(id, axes, zero)
  }

  use(tensor: Tensor | undefined, dim: number, use: MemberUse): void {
    if (tensor) this.graph.use(tensor.id, dim, use)
  }

  /** Fixes everything that the operator touches; the outputs are fixed too, for the same reason. */
  freeze(kind: string): void {
    for (const tensor of this.allInputs()) for (const axis of tensor.axes) this.fix(axis, kind)
    const pin = this.coordinates.pinned(this.reason(kind))
    for (const id of this.allOutputs()) {
      const shape = this.graph.value(id)?.shape ?? []
      this.graph.set(
        id,
        shape.map((n) => (n === 1 ? fixedAxis(1) : new Int32Array(n).fill(pin))),
        shape.map(() => false),
      )
    }
  }

  private tensorsIn(args: readonly Arg[]): Tensor[] {
    return flat(args)
      .filter((id) => this.graph.value(id))
      .map((id) => this.graph.tensor(id))
  }

  private numberOf(id: ValueId): number | undefined {
    const v = this.graph.record.values[id]
    if (!v) return undefined
    if (v.kind === 'tensor') return v.data?.length === 1 ? v.data[0] : undefined
    return typeof v.value === 'number' ? v.value : undefined
  }
}

/** Every value in nested arguments, in order. */
export function flat(args: Arg | readonly Arg[]): ValueId[] {
  return typeof args === 'number' ? [args] : args.flatMap((arg) => flat(arg))
}
