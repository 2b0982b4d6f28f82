import { EspalierError } from '../errors.js'
import {
  type Analysis,
  flatArgs,
  keptCoordinates,
  type OpEntry,
  type SkippedBlock,
  type ValueId,
} from '../graph/index.js'
import { ANALYSIS } from '../graph/schemas.js'
import { signature } from '../schema/index.js'
import type { CutRequest } from '../torch/index.js'
import { PLAN, type Plan, removedUnits } from './plan.js'
import { Scalars } from './scalars.js'
import { SLOTS } from './slots.js'
import { Widths } from './widths.js'

/** Where a number of the graph is used. */
export interface Place {
  node: number
  input: number
  element?: number
}

/** @internal */
export const COMPILE_CUT = signature('compileCut', ['analysis', ANALYSIS], ['plan', PLAN])

/**
 * Translates a plan into edits of the graph: every constant that carries a width is rewritten from the analysis, never by
 * its value; a number that only computes with a width is pinned to what it was.
 *
 * @throws EspalierError `ERR_UNSUPPORTED` when a node that runs several times would need different constants, or a width
 * comes out of arithmetic that is not understood.
 */
export function compileCut(analysis: Analysis, plan: Plan): CutRequest {
  COMPILE_CUT.check(analysis, plan)
  const widths = new Widths(analysis, removedUnits(analysis, plan))
  const compiler = new Compiler(analysis, widths)
  for (const op of analysis.record.ops) if (analysis.live.has(op)) compiler.compile(op)
  for (const block of analysis.record.skipped) compiler.keepBranch(block)
  const slices = Object.entries(plan.keep).flatMap(([name, dims]) =>
    Object.entries(dims).map(([dim, keep]) => ({ name, dim: Number(dim), keep: Int32Array.from(keep) })),
  )
  return { slices, ...compiler.edits() }
}

/** Gathers the edits of one cut; the operators' own demands are in slots.ts. */
export class Compiler {
  readonly analysis: Analysis
  readonly widths: Widths
  readonly scalars: Scalars
  /** By place, so that a node that runs twice is edited once, and a contradiction is noticed. */
  private readonly placed = new Map<string, { edit: Edit }>()

  constructor(analysis: Analysis, widths: Widths) {
    this.analysis = analysis
    this.widths = widths
    this.scalars = new Scalars(analysis.record, widths)
  }

  edits(): Omit<CutRequest, 'slices'> {
    const all = [...this.placed.values()].map(({ edit }) => edit)
    return {
      constants: all.flatMap((e) => (e.kind === 'constant' ? [{ ...e.place, value: e.value }] : [])),
      scaled: all.flatMap((e) => (e.kind === 'scaled' ? [{ ...e.place, multiply: e.multiply, divide: e.divide }] : [])),
      rewrites: all.flatMap((e) => (e.kind === 'rewrite' ? [e.rewrite] : [])),
      tensors: all.flatMap((e) => (e.kind === 'tensor' ? [{ ...e.place, slices: e.slices }] : [])),
    }
  }

  compile(op: OpEntry): void {
    const slots = SLOTS.get(op.name)
    const handled = slots ? slots(this, op) : new Set<number>()
    this.eachArgument(op, (place, id) => this.sliceConstant(op, place, id))
    if (!flatArgs(op.outputs).some((id) => this.rank(id) > 0)) return
    // A number that is no width but was computed from one keeps the value it had.
    this.eachArgument(op, (place, id) => {
      if (!handled.has(place.input)) this.pin(op, place, id)
    })
  }

  /** Where a width decided which way an `if` goes, or the other way was not analysed, it goes on as it went. */
  keepBranch(block: SkippedBlock): void {
    const { node, scope, kind, condition } = block
    const was = condition === undefined ? undefined : this.scalars.before(condition)
    if (kind !== 'if' || condition === undefined || was === undefined) return
    if (this.scalars.after(condition) === was && !this.analysis.closed.has(block)) return
    const edit: Edit = { kind: 'constant', place: { node, input: 0 }, value: was !== 0 }
    this.put({ name: 'prim::If', scope }, edit)
  }

  /** The operator takes `value` there. */
  constant(op: OpEntry, place: Place, value: number): void {
    this.put(op, { kind: 'constant', place, value })
  }

  refuse(op: OpEntry, why: string): never {
    throw new EspalierError('ERR_UNSUPPORTED', `${op.name} in '${op.scope}' ${why}`)
  }

  /** The position of an argument; -1 when the operator has none of that name. */
  position(op: OpEntry, argument: string): number {
    return op.argNames.indexOf(argument)
  }

  /** Demands that an int argument, or an element of a list argument, has this value after the cut. */
  require(op: OpEntry, place: Place, id: ValueId, wanted: number): void {
    this.put(op, this.demand(op, place, id, wanted))
  }

  private demand(op: OpEntry, place: Place, id: ValueId, wanted: number): Edit {
    const now = this.scalars.after(id)
    if (now === wanted) return { kind: 'leave', place }
    if (now === 'unknown' || now === undefined) {
      return this.refuse(op, 'takes a width from arithmetic that is not understood')
    }
    // What the program computes may be another number for another input: it is scaled, not replaced.
    if (!this.scalars.isComputed(id)) return { kind: 'constant', place, value: wanted }
    const divisor = gcd(wanted, now)
    return { kind: 'scaled', place, multiply: wanted / divisor, divide: now / divisor }
  }

  /** Demands new values of the elements of a list of sizes; -1 (inferred) is left alone. */
  requireList(op: OpEntry, argument: string, wanted: readonly (number | undefined)[]): Set<number> {
    const input = this.position(op, argument)
    const arg = op.inputs[input]
    if (typeof arg === 'object') {
      arg.forEach((element, k) => {
        const size = wanted[k]
        if (typeof element !== 'number' || size === undefined || this.scalars.before(element) === -1) return
        this.require(op, { node: op.node, input, element: k }, element, size)
      })
    }
    return new Set([input])
  }

  rewrite(op: OpEntry, rewrite: CutRequest['rewrites'][number]): void {
    this.put(op, { kind: 'rewrite', place: { node: op.node, input: -1 }, rewrite })
  }

  tensorId(op: OpEntry, argument: string): ValueId | undefined {
    const arg = op.inputs[this.position(op, argument)]
    return typeof arg === 'number' && this.analysis.record.values[arg]?.kind === 'tensor' ? arg : undefined
  }

  private pin(op: OpEntry, place: Place, id: ValueId): void {
    const was = this.scalars.before(id)
    const now = was === undefined ? was : this.scalars.after(id)
    if (was === undefined || now === was) return
    const flag = this.analysis.record.values[id]?.kind === 'bool'
    if (this.scalars.varies(id)) this.require(op, place, id, was)
    else this.put(op, { kind: 'constant', place, value: flag ? was !== 0 : was })
  }

  /** A constant of the program is sliced where it is read. */
  private sliceConstant(op: OpEntry, place: Place, id: ValueId): void {
    const value = this.analysis.record.values[id]
    if (value?.kind !== 'tensor' || value.role !== 'constant') return
    const axes = this.analysis.axesOf(id) ?? []
    const slices = axes.flatMap((axis, dim) =>
      axis.offsets && this.widths.size(axis) < axis.size
        ? [{ dim, keep: Int32Array.from(keptCoordinates(axis, this.widths.removed)) }]
        : [],
    )
    if (slices.length > 0) this.put(op, { kind: 'tensor', place, slices })
  }

  private eachArgument(op: OpEntry, call: (place: Place, id: ValueId) => void): void {
    // What an attribute held before it is set is no input of the node.
    const inputs = op.name === 'prim::SetAttr' ? op.inputs.slice(0, 2) : op.inputs
    inputs.forEach((arg, input) => {
      if (typeof arg === 'number') call({ node: op.node, input }, arg)
      else
        arg.forEach((item, element) => {
          if (typeof item === 'number') call({ node: op.node, input, element }, item)
        })
    })
  }

  private rank(id: ValueId): number {
    const value = this.analysis.record.values[id]
    return value?.kind === 'tensor' ? value.shape.length : 0
  }

  private put(op: Pick<OpEntry, 'name' | 'scope'>, edit: Edit): void {
    const { node, input, element } = edit.place
    const key = `${node}.${input}.${element ?? ''}`
    const known = this.placed.get(key)
    if (known && JSON.stringify(known.edit) !== JSON.stringify(edit)) {
      throw new EspalierError(
        'ERR_UNSUPPORTED',
        `${op.name} in '${op.scope}' runs several times and would need a different width each time`,
      )
    }
    this.placed.set(key, { edit })
  }
}

type Edit =
  | { kind: 'leave'; place: Place }
  | { kind: 'constant'; place: Place; value: number | boolean }
  | { kind: 'scaled'; place: Place; multiply: number; divide: number }
  | { kind: 'tensor'; place: Place; slices: { dim: number; keep: Int32Array }[] }
  | { kind: 'rewrite'; place: Place; rewrite: CutRequest['rewrites'][number] }

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
