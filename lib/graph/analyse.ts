import { fixAxis } from './axes.js'
import { collectGroups } from './collect.js'
import type { ChannelGroups, FreezeReason } from './groups.js'
import { liveOps } from './live.js'
import { flat, Graph, Op } from './op.js'
import type { Arg, OpEntry, OpRecord, SkippedBlock } from './record.js'
import { applyRule } from './rules/index.js'
import type { UnitAxis } from './units.js'

/** Channel groups, and for each value of the record which units each coordinate of its dimensions needs. */
export interface Analysis extends ChannelGroups {
  readonly record: OpRecord
  /** Operators from which an output is reachable. */
  readonly live: ReadonlySet<OpEntry>
  /** Dimensions of a tensor value; undefined for a value that no live operator touches. */
  axesOf(value: number): readonly UnitAxis[] | undefined
  /** Relations that did not hold at the end, and whose axes were fixed. Each is a defect of a rule; none is expected. */
  readonly broken: readonly FreezeReason[]
}

/**
 * Finds which slices of which parameters must be removed together.
 *
 * Pure: it reads the record alone. What it does not understand it fixes, and says why.
 */
export function analyse(record: OpRecord): Analysis {
  const graph = new Graph(record)
  const live = liveOps(record)
  for (const entry of record.ops) if (live.has(entry)) applyRule(new Op(graph, entry))
  for (const block of record.skipped) joinBlock(graph, block)
  fixAll(graph, record.output, { kind: 'model output' })
  const broken = checkRelations(graph)
  return { record, live, broken, ...collectGroups(graph) }
}

/** What flows out of either side of a branch is one value. */
function joinBlock(graph: Graph, block: SkippedBlock): void {
  if (block.outcome === 'raises') return
  const reason = {
    kind: 'unexecuted branch',
    operator: `prim::${block.kind === 'if' ? 'If' : 'Loop'}`,
    scope: block.scope,
  }
  if (block.outcome === 'failed') {
    for (const id of block.reads) fixAll(graph, id, reason)
    for (const { taken } of block.merges) fixAll(graph, taken, reason)
    return
  }
  for (const { taken, skipped } of block.merges) {
    if (skipped !== undefined) joinArgs(graph, taken, skipped, reason)
  }
}

function joinArgs(graph: Graph, taken: Arg, skipped: Arg, reason: FreezeReason): void {
  const [a, b] = [flat(taken), flat(skipped)]
  const tensors = (ids: readonly number[]) =>
    ids.filter((id) => graph.value(id) && graph.has(id)).map((id) => graph.tensor(id))
  const [left, right] = [tensors(a), tensors(b)]
  const alike = left.length === right.length && left.every((t, i) => t.shape.join() === right[i]?.shape.join())
  if (alike) {
    left.forEach((t, i) => {
      t.axes.forEach((axis, d) => {
        graph.equate(axis, right[i]?.axes[d] as Int32Array, reason)
      })
    })
  } else for (const id of [...a, ...b]) fixAll(graph, id, reason)
}

function fixAll(graph: Graph, arg: Arg, reason: FreezeReason): void {
  for (const id of flat(arg)) {
    if (graph.value(id)) for (const axis of graph.tensor(id).axes) fixAxis(graph.coordinates, axis, reason)
  }
}

/** The net under the rules: whatever was equated must have equal normal forms in the end. */
function checkRelations(graph: Graph): FreezeReason[] {
  const { coordinates, relations } = graph
  const broken: FreezeReason[] = []
  for (let found = true; found; ) {
    found = false
    for (const { a, b, reason } of relations) {
      const holds = a.every((c, i) => coordinates.same(c, b[i] as number))
      if (holds) continue
      found = true
      const why = { ...reason, kind: 'relation did not hold' }
      broken.push(why)
      fixAxis(coordinates, a, why)
      fixAxis(coordinates, b, why)
    }
  }
  return broken
}
