import { type Axis, fixedAxis, isFixedAxis, mergeAxes, splitAxis } from '../axes/axes.js'
import type { Coordinates } from '../axes/coordinates.js'
import type { FreezeReason } from '../axes/reason.js'
import { UnsupportedForm } from '../axes/unsupported.js'
import { type Arg, flat, type OpEntry, type ValueId } from '../record/record.js'
import type { Polynomial } from '../sizes/polynomial.js'
import type { Graph, MemberUse, Tensor } from './graph.js'

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

  /** A tensor argument; dimensions for which an axis is given are tied to it. */
  tensor(name: string, axes?: Readonly<Record<number, Axis>>): Tensor | undefined {
    const arg = this.arg(name)
    if (typeof arg !== 'number' || !this.graph.value(arg)) return undefined
    return axes ? this.graph.tied(arg, axes, this.entry) : this.graph.tensor(arg)
  }

  /** A tensor argument that the operator cannot do without. */
  input(name: string, axes?: Readonly<Record<number, Axis>>): Tensor {
    const tensor = this.tensor(name, axes)
    if (!tensor) throw new UnsupportedForm(`${this.entry.name} has no tensor argument '${name}'`)
    return tensor
  }

  /** Shape of a tensor argument; empty when it is none. */
  shape(name: string): readonly number[] {
    const arg = this.arg(name)
    return (typeof arg === 'number' && this.graph.value(arg)?.shape) || []
  }

  tensors(name: string): Tensor[] {
    const arg = this.arg(name)
    return arg === undefined ? [] : this.tensorsIn([arg])
  }

  /** All tensor arguments, lists included. */
  allInputs(): Tensor[] {
    return this.tensorsIn(this.entry.inputs)
  }

  /** Their ids; none of them is given axes by asking. */
  inputIds(): ValueId[] {
    return flat(this.entry.inputs).filter((id) => this.graph.value(id))
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

  /** Whether a number, or some number of a list, may be another one for another input. */
  varies(name: string): boolean {
    const arg = this.arg(name)
    return arg !== undefined && flat([arg]).some((id) => !this.graph.lengths.numbers.isConstant(id))
  }

  /** A number for any input. */
  length(name: string): Polynomial | undefined {
    const arg = this.arg(name)
    return typeof arg === 'number' ? this.graph.lengths.numbers.of(arg) : undefined
  }

  /** The numbers of a list for any input. */
  listed(name: string): Polynomial[] {
    const arg = this.arg(name)
    return typeof arg === 'object' ? flat(arg).map((id) => this.graph.lengths.numbers.of(id)) : []
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

  equate(a: Axis, b: Axis): void {
    this.graph.equate(a, b, this.entry)
  }

  fix(axis: Axis, kind: string): void {
    this.graph.fix(axis, this.reason(kind), this.entry)
  }

  /** The operator computes over these dimensions of its input: whether it can, as before, once they are cut. */
  average(x: Tensor, dims: readonly number[], axes: readonly Axis[] = x.axes): boolean {
    return this.graph.average(this.entry, x, new Map(dims.map((d) => [d, axes[d] as Axis])))
  }

  /** Notes what the atoms of an axis are met as: bits of `MET`. */
  meet(axis: Axis, met: number): void {
    for (const c of axis) this.coordinates.meet(c, met)
  }

  /** Whether some atom of an axis was met so before. */
  wasMet(axis: Axis, met: number): boolean {
    return axis.some((c) => this.coordinates.normal(c).some((leaf) => (this.coordinates.metAs(leaf) & met) !== 0))
  }

  isFixed(axis: Axis): boolean {
    return isFixedAxis(this.graph.axes, axis)
  }

  split(axis: Axis, n: number, met: { outer: number; inner: number }): { outer: Axis; inner: Axis } {
    return splitAxis(this.graph.axes, axis, n, met, this.reason('tied to a fixed axis'))
  }

  merge(...axes: readonly Axis[]): Axis {
    return mergeAxes(this.graph.axes, axes)
  }

  /** Coordinates that are tied to nothing yet. */
  fresh(n: number, met: number): Axis {
    return this.coordinates.fresh(n, met)
  }

  /** Coordinates that always survive, for a reason. */
  pinned(n: number, kind: string): Axis {
    return n === 1 ? fixedAxis(1) : new Int32Array(n).fill(this.coordinates.pinned(this.reason(kind)))
  }

  /** Shape of an output; empty when it is no tensor. */
  outputShape(index = 0): readonly number[] {
    return this.graph.value(this.allOutputs()[index] ?? -1)?.shape ?? []
  }

  isParameter(tensor: Tensor): boolean {
    return this.graph.isParameter(tensor.id)
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
    for (const id of this.allOutputs()) {
      const shape = this.graph.value(id)?.shape ?? []
      this.graph.set(
        id,
        shape.map((n) => this.pinned(n, kind)),
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
