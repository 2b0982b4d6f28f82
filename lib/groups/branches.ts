import { areAlike } from '../record/alike.js'
import { flat, type OpEntry, type OpRecord, type SkippedBlock, type ValueId } from '../record/record.js'
import type { Lengths } from '../sizes/lengths.js'
import { keptValues } from '../sizes/numbers.js'

/** Operators that read nothing of a tensor that another input of the same kind would change. */
const SETTLED = new Set(
  'aten::dim aten::__is__ aten::__isnot__ aten::is_floating_point aten::is_complex prim::dtype prim::device prim::layout prim::is_nested prim::is_cuda'.split(
    ' ',
  ),
)

/**
 * Branches that are no part of the network. No input takes one whose condition is constant (`if i == index`, unrolled).
 * Only another kind of input would take others (another number of dimensions, a missing mask, the same tensor twice), which
 * are closed where they can't be analysed along: they did not run on this one, or what they give has another shape. The cut
 * model keeps to the branch that was taken. Conditions on sizes, on data and on the training mode are none of these.
 */
export function closedBranches(record: OpRecord, lengths: Lengths): ReadonlySet<SkippedBlock> {
  const closed = new Set<SkippedBlock>()
  if (record.skipped.length === 0) return closed
  const madeBy = new Map<ValueId, OpEntry>()
  for (const op of record.ops) for (const id of flat(op.outputs)) madeBy.set(id, op)
  const takenBy = new Map<ValueId, SkippedBlock[]>()
  for (const block of record.skipped) {
    for (const id of block.merges.flatMap(({ taken }) => flat(taken))) {
      takenBy.set(id, [...(takenBy.get(id) ?? []), block])
    }
  }
  const kept = keptValues(record)
  const known = new Map<ValueId, boolean>()
  const isSettled = (id: ValueId): boolean => {
    const before = known.get(id)
    if (before !== undefined) return before
    known.set(id, false)
    const op = madeBy.get(id)
    const settled = op ? isAboutKind(op) || isLength(op) || isBranch(op) || fromSettled(op) : isChosen(id)
    known.set(id, settled)
    return settled
  }
  const isAboutKind = ({ name, inputs }: OpEntry) =>
    SETTLED.has(name) && !flat(inputs).some((id) => kept.has(id) || (name.startsWith('aten::__is') && mayBeMissing(id)))
  const mayBeMissing = (id: ValueId) =>
    (takenBy.get(id) ?? []).some(({ condition }) => condition === undefined || !isSettled(condition))
  /** What a branch gives is settled where its condition is, and is no flag of the module. */
  const isBranch = ({ name, inputs }: OpEntry) =>
    name === 'prim::If' &&
    flat(inputs).every((id, k) => (k === 0 || madeBy.has(id) ? isSettled(id) : record.values[id]?.role !== 'state'))
  const isLength = ({ name, inputs: [list], outputs: [length] }: OpEntry) =>
    name === 'aten::len' && typeof list === 'object' && record.values[length as ValueId]?.role !== 'state'
  const fromSettled = (op: OpEntry) =>
    !SETTLED.has(op.name) && flat(op.inputs).every((id) => record.values[id]?.kind !== 'tensor' && isSettled(id))
  /** A flag that nothing computes is what an earlier branch chose, or the training mode: others are folded before. */
  const isChosen = (id: ValueId) => {
    const value = record.values[id]
    if (value?.kind !== 'bool') return value?.role !== 'state'
    const choices = takenBy.get(id) ?? []
    return choices.length > 0 && choices.every(({ condition }) => condition !== undefined && isSettled(condition))
  }

  const asked = new Map<ValueId, boolean>()
  /** Whether another kind of input may change it. */
  const isOfKind = (id: ValueId): boolean => {
    const before = asked.get(id)
    if (before !== undefined) return before
    asked.set(id, false)
    const op = madeBy.get(id)
    const ofKind = op !== undefined && (SETTLED.has(op.name) || flat(op.inputs).some(isOfKind))
    asked.set(id, ofKind)
    return ofKind
  }

  const ways = new Map<number, Set<unknown>>()
  for (const { node, condition } of record.skipped) {
    if (condition === undefined) continue
    const value = record.values[condition]
    ways.set(node, (ways.get(node) ?? new Set()).add(value?.kind === 'bool' ? value.value : undefined))
  }
  for (const block of record.skipped) {
    const { kind, condition, outcome, node, merges } = block
    if (kind !== 'if' || condition === undefined || outcome === 'raises') continue
    if (lengths.isSettled(condition) && !isOfKind(condition)) closed.add(block)
    if (ways.get(node)?.size !== 1) continue
    const alike =
      outcome === 'executed' &&
      merges.every(({ taken, skipped }) => skipped !== undefined && areAlike(record, taken, skipped))
    if (!alike && isSettled(condition)) closed.add(block)
  }
  return closed
}
