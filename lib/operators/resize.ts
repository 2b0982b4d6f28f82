import { type Removed, survives, type UnitAxis } from '../axes/units.js'
import type { OpEntry, OpRecord, ValueId } from '../record/record.js'
import type { Polynomial } from '../sizes/polynomial.js'
import type { Source } from './source.js'

/** Where a number of the graph is used. */
export interface Place {
  node: number
  input: number
  element?: number
}

/** A cut, as the rules of sizes see it: what there was, what is left, and what they demand. */
export interface Resizing {
  readonly analysis: {
    readonly record: OpRecord
    /** Which units each coordinate of the dimensions of a value needs. */
    axesOf(id: ValueId): readonly UnitAxis[] | undefined
  }
  readonly widths: {
    readonly removed: Removed
    shape(id: ValueId): readonly number[]
    size(axis: UnitAxis): number
    length(id: ValueId, dim: number): Polynomial
  }
  readonly scalars: {
    /** A number as recorded. */
    before(id: ValueId): number | undefined
    /** Whether the program computes it from sizes. */
    isComputed(id: ValueId): boolean
  }
  /** The position of an argument; -1 when the operator has none of that name. */
  position(op: OpEntry, argument: string): number
  tensorId(op: OpEntry, argument: string): ValueId | undefined
  /** Demands that a number, or an element of a list of them, is this after the cut, for every input. */
  require(op: OpEntry, place: Place, id: ValueId, wanted: number | Polynomial): void
  /** Demands new values of the elements of a list of sizes; -1 (inferred) is left alone. Gives the list's position. */
  requireList(op: OpEntry, argument: string, wanted: readonly (number | Polynomial | undefined)[]): Set<number>
  /** The operator takes `value` there. */
  constant(op: OpEntry, place: Place, value: number): void
  /** The operator takes another form: source and values as a `Rewrite` has them. */
  rewrite(op: OpEntry, source: string, values: Source['values']): void
}

/** Demands new widths of an operator's arguments; returns the positions it has dealt with. Other numbers stay what they were. */
export type Resize = (cut: Resizing, op: OpEntry) => Set<number>

/** How many of the groups into which an axis is divided have something left. */
export const partsLeft =
  (argument: string, tensor: string): Resize =>
  (cut, op) => {
    const input = cut.position(op, argument)
    const id = op.inputs[input]
    const axis = axesOf(cut, op, tensor)?.[1]
    const before = typeof id === 'number' ? cut.scalars.before(id) : undefined
    if (typeof id !== 'number' || !axis || before === undefined) return new Set()
    const size = axis.size / before
    let left = 0
    for (let g = 0; g < before; g++) if (kept(cut, axis, g * size, (g + 1) * size) > 0) left++
    cut.require(op, { node: op.node, input }, id, left)
    return new Set([input])
  }

export const outputSizes =
  (argument: string): Resize =>
  (cut, op) =>
    cut.requireList(op, argument, outputLengths(cut, op))

export function axesOf(cut: Resizing, op: OpEntry, argument: string): readonly UnitAxis[] | undefined {
  const id = cut.tensorId(op, argument)
  return id === undefined ? undefined : cut.analysis.axesOf(id)
}

export function shrinks(cut: Resizing, axis: UnitAxis): boolean {
  return axis.offsets !== undefined && cut.widths.size(axis) < axis.size
}

/** How many of the coordinates from `start` to `end` are kept. */
export function kept(cut: Resizing, axis: UnitAxis, start: number, end: number): number {
  let n = 0
  for (let i = start; i < end; i++) if (survives(axis, i, cut.widths.removed)) n++
  return n
}

/** New numbers of those of `indices` that are left. */
export function renumbered(cut: Resizing, axis: UnitAxis, indices: readonly number[]): number[] {
  const numbers: number[] = []
  let next = 0
  for (let i = 0; i < axis.size; i++) numbers.push(survives(axis, i, cut.widths.removed) ? next++ : -1)
  return indices.map((i) => numbers[i] as number).filter((i) => i >= 0)
}

export function outputShape(cut: Resizing, op: OpEntry): readonly number[] {
  const output = op.outputs[0]
  return typeof output === 'number' ? cut.widths.shape(output) : []
}

/** Lengths of the first output after the cut, for any input; undefined where they stay. */
export function outputLengths(cut: Resizing, op: OpEntry): readonly (Polynomial | undefined)[] {
  const output = op.outputs[0]
  const axes = typeof output === 'number' ? cut.analysis.axesOf(output) : undefined
  if (typeof output !== 'number') return []
  return cut.widths
    .shape(output)
    .map((_, d) => (axes?.[d] && shrinks(cut, axes[d]) ? cut.widths.length(output, d) : undefined))
}

export function dimOf(cut: Resizing, op: OpEntry, rank: number): number {
  const arg = op.inputs[cut.position(op, 'dim')]
  const dim = typeof arg === 'number' ? (cut.scalars.before(arg) ?? 0) : 0
  return dim < 0 ? dim + rank : dim
}
