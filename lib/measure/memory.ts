import { type Analysis, flatArgs, type OpEntry, type Removed, type ValueId } from '../groups/index.js'
import { Widths } from '../groups/widths.js'
import { operatorOf } from '../operators/catalogue.js'
import { bytesOf } from './bytes.js'
import { executed } from './count.js'

/**
 * The most bytes of inputs and intermediate values that a forward pass on the example inputs holds at once, once the units of
 * `removed` are gone. A value is there from the operator that gives it to the last one that reads it or a view of it; inputs and outputs
 * to the end; what an operator writes in place, or gives a view of, takes no room of its own. Parameters, and what kernels need for
 * themselves while they run, do not count.
 */
export function peakMemory(analysis: Analysis, removed: Removed = new Uint8Array(0)): number {
  const { record } = analysis
  const widths = new Widths(analysis, removed)
  const ops = executed(analysis)
  const { base, last } = livesOf(analysis, ops)
  const size = (id: ValueId): number => {
    const value = record.values[id]
    return value?.kind === 'tensor' ? bytesOf(value, widths.shape(id)) : 0
  }
  const own = (id: ValueId): boolean => base.get(id) === id
  const ending = new Map<number, ValueId[]>()
  for (const [id, at] of last) ending.set(at, [...(ending.get(at) ?? []), id])
  let held = flatArgs(record.inputs)
    .filter(own)
    .reduce((sum, id) => sum + size(id), 0)
  let peak = held
  ops.forEach((op, at) => {
    for (const id of outputsOf(op)) if (own(id)) held += size(id)
    peak = Math.max(peak, held)
    for (const id of ending.get(at) ?? []) held -= size(id)
  })
  return peak
}

const outputsOf = ({ outputs }: OpEntry): ValueId[] => [...new Set(outputs.flatMap((arg) => flatArgs(arg)))]

/** Which value's memory each value lies in, and after which operator it is let go of. */
function livesOf({ record }: Analysis, ops: readonly OpEntry[]) {
  const base = new Map<ValueId, ValueId>()
  for (const id of flatArgs(record.inputs)) base.set(id, id)
  const last = new Map<ValueId, number>()
  ops.forEach((op, at) => {
    const inputs = op.inputs.flatMap((arg) => flatArgs(arg))
    for (const id of inputs) {
      const of = base.get(id)
      if (of !== undefined) last.set(of, at)
    }
    const shares = op.mutates || operatorOf(op.name, op.overload)?.view === true
    const first = inputs.find((id) => record.values[id]?.kind === 'tensor')
    for (const id of outputsOf(op)) {
      if (base.has(id) || record.values[id]?.kind !== 'tensor') continue
      // A view of a parameter is no memory of the run.
      const of = shares && first !== undefined ? base.get(first) : id
      if (of === undefined) continue
      base.set(id, of)
      last.set(of, at)
    }
  })
  for (const id of [...flatArgs(record.inputs), ...flatArgs(record.output)]) last.delete(base.get(id) ?? id)
  return { base, last }
}
