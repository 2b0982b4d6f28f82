import { type Arg, flat, type OpEntry, type OpRecord, type SkippedBlock, type ValueId } from '../record/record.js'

/**
 * Branches that do with one example what the branch taken does with a batch: `f(x.unsqueeze(0)).squeeze(0)` beside `f(x)`,
 * by the number of dimensions of `x`. What they did on a batch tells nothing; on one example they see what `f` saw.
 */
export function singleExamples(record: OpRecord): ReadonlySet<SkippedBlock> {
  const found = new Set<SkippedBlock>()
  if (record.skipped.length === 0) return found
  const madeBy = new Map<ValueId, OpEntry>()
  for (const op of record.ops) for (const id of flat(op.outputs)) madeBy.set(id, op)
  const input = (id: ValueId | undefined, name: string): ValueId | undefined => {
    const op = id === undefined ? undefined : madeBy.get(id)
    const [own, dim] = op?.inputs ?? []
    const at = typeof dim === 'number' ? record.values[dim] : undefined
    const first = at?.kind === 'int' && at.value === 0
    return op?.name === `aten::${name}` && first && typeof own === 'number' ? own : undefined
  }
  const asksRank = (id: ValueId, x: ValueId): boolean => {
    const op = madeBy.get(id)
    if (op?.name === 'aten::dim') return op.inputs[0] === x
    const about = op?.inputs.flatMap((arg) => flat(arg)).filter((own) => madeBy.has(own)) ?? []
    return about.length > 0 && about.every((own) => asksRank(own, x))
  }
  for (const block of record.skipped) {
    const [merge] = block.merges
    if (block.outcome !== 'executed' || block.condition === undefined || block.merges.length !== 1) continue
    if (typeof merge?.taken !== 'number' || typeof merge.skipped !== 'number') continue
    const [batched, single] = [madeBy.get(merge.taken), madeBy.get(input(merge.skipped, 'squeeze') ?? -1)]
    const x = batched?.inputs[0]
    if (typeof x !== 'number' || batched?.name !== single?.name || !asksRank(block.condition, x)) continue
    const [one, ...rest] = single?.inputs ?? []
    const others = batched?.inputs.slice(1) ?? []
    const same = rest.length === others.length && rest.every((arg, k) => isSame(record, arg, others[k] as Arg))
    if (same && typeof one === 'number' && input(one, 'unsqueeze') === x) found.add(block)
  }
  return found
}

/** The same tensor, or an equal number. */
function isSame(record: OpRecord, a: Arg, b: Arg): boolean {
  if (typeof a !== 'number' || typeof b !== 'number') {
    return (
      typeof a === 'object' &&
      typeof b === 'object' &&
      a.length === b.length &&
      a.every((x, k) => isSame(record, x, b[k] as Arg))
    )
  }
  const [left, right] = [record.values[a], record.values[b]]
  if (left?.kind === 'tensor' || right?.kind === 'tensor') return a === b
  return left?.kind === right?.kind && left?.value === right?.value
}
