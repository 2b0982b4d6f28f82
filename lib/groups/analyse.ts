import { type Axis, fixAxis, isFixedAxis } from '../axes/axes.js'
import type { FreezeReason } from '../axes/reason.js'
import { EspalierError } from '../base/errors.js'
import { maybe, object, oneOf, signature } from '../base/schema/index.js'
import { applyRule, lengthRuleOf } from '../operators/apply.js'
import { type Fix, Graph, type NormsOption, type Relation } from '../operators/graph.js'
import { Op } from '../operators/op.js'
import { areAlike } from '../record/alike.js'
import { withKnownIntegers } from '../record/known.js'
import { type Arg, flat, type OpEntry, type OpRecord, type SkippedBlock, type ValueId } from '../record/record.js'
import { Lengths } from '../sizes/lengths.js'
import { closedBranches } from './branches.js'
import { type Collected, collectGroups } from './collect.js'
import { liveOps } from './live.js'
import { keepRectangular, tiedLengths } from './products.js'
import { RECORD } from './schemas.js'
import { singleExamples } from './single.js'

/** Channel groups, and for each value of the record which units each coordinate of its dimensions needs. */
export interface Analysis extends Collected {
  readonly record: OpRecord
  /** How it was made. */
  readonly options: Required<AnalyseOptions>
  /** How long every dimension is, for any input. */
  readonly lengths: Lengths
  /** Operators from which an output is reachable. */
  readonly live: ReadonlySet<OpEntry>
  /** Branches that only another kind of input would take: a cut closes them. */
  readonly closed: ReadonlySet<SkippedBlock>
  /** Relations that did not hold at the end, and whose axes were fixed. Each is a defect of a rule; none is expected. */
  readonly broken: readonly FreezeReason[]
  readonly provenance: Provenance
}

/** What tied and what fixed the axes, to be explained. */
export interface Provenance {
  /** Coordinates of each dimension of a value; undefined for a value that no live operator touches. */
  axes(value: number): readonly Int32Array[] | undefined
  /** The representative of a coordinate: equal for two that one operator made one. 0: fixed without a reason. */
  root(coordinate: number): number
  /** Representatives of all that a coordinate was ever made of, fixed or not; never 0. */
  atoms(coordinate: number): readonly number[]
  /** Why a coordinate is fixed; empty where it is not. */
  reasons(coordinate: number): readonly FreezeReason[]
  readonly relations: readonly Relation[]
  readonly fixes: readonly Fix[]
}

/** What can be seen in two ways. */
export interface AnalyseOptions {
  /**
   * What norms and means over channels compute once units are gone: `'exact'` (default), the same as with these units at zero;
   * `'kept'`, over what is kept, which is a little faster and another function: such cuts are approximate.
   */
  norms?: NormsOption | undefined
}

/** @internal */
export const ANALYSE_ENTRIES = { norms: maybe(oneOf('exact', 'kept')) }

/** @internal */
export const ANALYSE = signature('analyse', ['record', RECORD], ['options', object<AnalyseOptions>(ANALYSE_ENTRIES)])

/** A dimension of a value that can't be cut, and why. */
export interface Blocked {
  value: ValueId
  dim: number
  reason: FreezeReason
  op: OpEntry
}

/**
 * Finds which slices of which parameters must be removed together.
 *
 * Pure: it reads the record alone. What it does not understand it fixes, and says why.
 *
 * @param options how norms are taken
 * @param blockedIn dimensions that can't be cut for reasons beyond the record; asked again until there are none
 */
export function analyse(
  given: OpRecord,
  options: AnalyseOptions = {},
  blockedIn: (analysis: Analysis) => readonly Blocked[] = () => [],
): Analysis {
  ANALYSE.check(given, options)
  try {
    return analyseSound(given, options, blockedIn)
  } catch (error) {
    if (error instanceof EspalierError) throw error
    // Every value is one, but no operator makes such values of such arguments.
    const { message, stack } = error as Error
    const words = `analyse: no model gives such a record: ${message}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { detail: stack, cause: error })
  }
}

function analyseSound(
  given: OpRecord,
  { norms = 'exact' }: AnalyseOptions,
  blockedIn: (analysis: Analysis) => readonly Blocked[],
): Analysis {
  const record = withKnownIntegers(given)
  const first = relate(record, new Lengths(record, lengthRuleOf), norms)
  const learned = tiedLengths(first.graph, first.live)
  const again = () => relate(record, new Lengths(record, lengthRuleOf, learned, first.graph.lengths.symbols), norms)
  const { graph, closed, live } = learned.size === 0 ? first : again()
  fixAll(graph, record.output, { kind: 'model output' })
  keepRectangular(graph, live)
  const { coordinates, relations, fixes, lengths } = graph
  const provenance: Provenance = {
    axes: (value) => (graph.has(value) ? graph.tensor(value).axes : undefined),
    root: (c) => coordinates.find(c),
    atoms: (c) => coordinates.atomsOf(c),
    reasons: (c) => (coordinates.isFixed(c) ? coordinates.reasonsOf(c) : []),
    relations,
    fixes,
  }
  while (true) {
    const broken = checkRelations(graph)
    const analysis = { record, options: { norms }, lengths, live, closed, broken, provenance, ...collectGroups(graph) }
    const blocked = blockedIn(analysis).filter(({ value, dim }) => {
      const axis = graph.has(value) ? graph.tensor(value).axes[dim] : undefined
      return axis && !isFixedAxis(graph.axes, axis)
    })
    if (blocked.length === 0) return analysis
    for (const { value, dim, reason, op } of blocked) graph.fix(graph.tensor(value).axes[dim] as Axis, reason, op)
  }
}

interface Related {
  graph: Graph
  live: ReadonlySet<OpEntry>
  closed: ReadonlySet<SkippedBlock>
}

/** Applies the rule of every live operator. */
function relate(record: OpRecord, lengths: Lengths, norms: NormsOption): Related {
  const graph = new Graph(record, lengths, norms)
  const single = singleExamples(record)
  const closed = new Set([...closedBranches(record, lengths)].filter((block) => !single.has(block)))
  const passed = new Set([...closed, ...single])
  const live = liveOps(record, passed)
  const joints = jointsOf(record, passed)
  record.ops.forEach((entry, k) => {
    if (live.has(entry)) applyRule(new Op(graph, entry))
    for (const block of joints.get(k) ?? []) joinBlock(graph, block)
  })
  for (const block of joints.get(-1) ?? []) joinBlock(graph, block)
  return { graph, live, closed }
}

/** The branches not taken, by the last operator that makes what flows out of either side; -1 when none does. */
function jointsOf(record: OpRecord, passed: ReadonlySet<SkippedBlock>): Map<number, SkippedBlock[]> {
  const joints = new Map<number, SkippedBlock[]>()
  if (record.skipped.length === 0) return joints
  const madeBy = new Map<ValueId, number>()
  record.ops.forEach((op, k) => {
    for (const id of flat(op.outputs)) madeBy.set(id, k)
  })
  for (const block of record.skipped) {
    if (passed.has(block)) continue
    const ids = block.merges.flatMap(({ taken, skipped }) => [...flat(taken), ...flat(skipped ?? [])])
    const last = ids.reduce((most, id) => Math.max(most, madeBy.get(id) ?? -1), -1)
    joints.set(last, [...(joints.get(last) ?? []), block])
  }
  return joints
}

/** What flows out of either side of a branch is one value. */
function joinBlock(graph: Graph, block: SkippedBlock): void {
  if (block.outcome === 'raises') return
  const name = `prim::${block.kind === 'if' ? 'If' : 'Loop'}`
  const reason = { kind: 'unexecuted branch', operator: name, scope: block.scope }
  if (block.outcome === 'failed') {
    for (const id of block.reads) fixAll(graph, id, reason)
    for (const { taken } of block.merges) fixAll(graph, taken, reason)
    return
  }
  const entry = { name, scope: block.scope, node: block.node, overload: '', argNames: [], inputs: [], outputs: [] }
  const join = { ...entry, mutates: false, speculative: false }
  for (const { taken, skipped } of block.merges) {
    if (skipped !== undefined) joinArgs(graph, taken, skipped, reason, join)
  }
}

function joinArgs(graph: Graph, taken: Arg, skipped: Arg, reason: FreezeReason, op: OpEntry): void {
  if (!areAlike(graph.record, taken, skipped)) {
    for (const id of [...flat(taken), ...flat(skipped)]) fixAll(graph, id, reason)
    return
  }
  // What only feeds dead values was given no axes.
  const isUsed = (id: ValueId) => graph.has(id) || graph.value(id)?.role !== undefined
  const [left, right] = [taken, skipped].map((arg) => flat(arg).filter((id) => graph.value(id)))
  left?.forEach((id, i) => {
    const twin = right?.[i] as ValueId
    if (!isUsed(id) || !isUsed(twin)) return
    const [t, other] = [graph.tensor(id), graph.tensor(twin)]
    t.axes.forEach((axis, d) => {
      graph.equate(axis, other.axes[d] as Axis, op)
    })
    graph.set(
      t.id,
      t.axes,
      t.zero.map((zero, d) => zero && other.zero[d] === true),
    )
  })
}

function fixAll(graph: Graph, arg: Arg, reason: FreezeReason): void {
  for (const id of flat(arg)) {
    if (graph.value(id)) for (const axis of graph.tensor(id).axes) graph.fix(axis, reason)
  }
}

/** The net under the rules: whatever was equated must have equal normal forms in the end. */
function checkRelations(graph: Graph): FreezeReason[] {
  const { axes, coordinates, relations } = graph
  const broken: FreezeReason[] = []
  for (let found = true; found; ) {
    found = false
    for (const { a, b, op } of relations) {
      if (coordinates.sameAll(a, b)) continue
      found = true
      const why = { kind: 'relation did not hold', operator: op.name, scope: op.scope }
      broken.push(why)
      fixAxis(axes, a, why)
      fixAxis(axes, b, why)
    }
  }
  return broken
}
