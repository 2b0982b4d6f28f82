import { CHOICE, flat, type OpEntry, type OpRecord, type SkippedBlock, type ValueId } from '../record/record.js'

/**
 * The operators that matter: all that ran, since they run in the cut model, too, whether an output reads them or not (what
 * can be removed is before it is recorded); and of the branches not taken those from which an output, or a write to a
 * tensor, is reachable.
 */
export function liveOps(record: OpRecord, closed: ReadonlySet<SkippedBlock> = new Set()): Set<OpEntry> {
  const wanted = new Set<ValueId>(flat(record.output))
  const merges = record.skipped.flatMap((block) => (closed.has(block) ? [] : block.merges))
  const live = new Set<OpEntry>()
  // A branch not taken is recorded after the block it stands beside, so one pass backwards does not always reach it.
  for (let grown = true; grown; ) {
    grown = false
    for (let k = record.ops.length - 1; k >= 0; k--) {
      const op = record.ops[k] as OpEntry
      // How often a loop goes round matters, whatever it gives, and so does what might have been chosen.
      const always = !op.speculative || op.mutates || op.name === 'prim::Loop' || op.name === CHOICE
      if (live.has(op) || !(always || flat(op.outputs).some((id) => wanted.has(id)))) continue
      live.add(op)
      grown = true
      for (const id of flat(op.inputs)) wanted.add(id)
    }
    for (const { taken, skipped } of merges) {
      if (skipped === undefined || !flat(taken).some((id) => wanted.has(id))) continue
      for (const id of flat(skipped)) {
        if (wanted.has(id)) continue
        wanted.add(id)
        grown = true
      }
    }
  }
  return live
}
