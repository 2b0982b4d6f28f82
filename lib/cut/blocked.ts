import { type Analysis, type Blocked, flatArgs, type OpEntry, type ValueId } from '../groups/index.js'
import { unitCount, unitOffsets, Widths } from '../groups/widths.js'
import { Compiler, Refusal } from './edits.js'

/**
 * Dimensions that can't be cut since a number which the program computes from them can't be put right for every input: found
 * by compiling a cut of one unit of every group, which leaves no width in a simple proportion to what it was.
 */
export function blockedByNumbers(analysis: Analysis): Blocked[] {
  const { record, live, groups } = analysis
  if (groups.length === 0) return []
  const removed = new Uint8Array(unitCount(analysis))
  unitOffsets(analysis).forEach((first, g) => {
    removed[first + ((groups[g]?.size ?? 0) >> 1)] = 1
  })
  const widths = new Widths(analysis, removed)
  const compiler = new Compiler(analysis, widths)
  const blocked: Blocked[] = []
  const madeBy = new Map<ValueId, OpEntry>()
  for (const op of record.ops) for (const id of flatArgs(op.outputs)) madeBy.set(id, op)

  const block = (ids: readonly ValueId[], op: OpEntry, kind = 'width in arithmetic') => {
    for (const value of ids) {
      widths.shape(value).forEach((size, dim) => {
        const was = record.values[value]
        if (was?.kind === 'tensor' && was.shape[dim] !== size)
          blocked.push({ value, dim, reason: { kind, operator: op.name, scope: op.scope }, op })
      })
    }
  }
  /** The tensors whose sizes a number comes from. */
  const sources = (number: ValueId): ValueId[] => {
    const found: ValueId[] = []
    const seen = new Set([number])
    for (const id of seen) {
      const op = madeBy.get(id)
      if (!op || !compiler.scalars.changes(id)) continue
      for (const each of flatArgs(op.inputs)) {
        const value = record.values[each]
        if (value?.kind === 'tensor' && value.shape.length > 0) found.push(each)
        else seen.add(each) // a Set hands on what it is given on the way
      }
    }
    return found
  }
  const attempt = (op: OpEntry, compile: () => void) => {
    try {
      compile()
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const from = error.number === undefined ? [] : sources(error.number)
      block([...from, ...flatArgs(op.inputs), ...flatArgs(op.outputs)], op)
    }
  }
  for (const op of record.ops) if (live.has(op)) attempt(op, () => compiler.compile(op))
  for (const id of flatArgs(record.output)) {
    const op = madeBy.get(id)
    if (op && record.values[id]?.kind !== 'tensor') block(sources(id), op, 'model output')
  }
  return blocked
}
