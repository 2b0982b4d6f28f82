import { EspalierError } from '../base/errors.js'
import { signature } from '../base/schema/index.js'
import {
  type Analysis,
  flatArgs,
  keptCoordinates,
  type OpEntry,
  type SkippedBlock,
  type ValueId,
} from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { Widths } from '../groups/widths.js'
import { operatorOf } from '../operators/catalogue.js'
import type { Place, Resizing } from '../operators/resize.js'
import type { Source } from '../operators/source.js'
import { type Plan, removedUnits } from '../plan/plan.js'
import { PLAN } from '../plan/schemas.js'
import { Polynomial } from '../sizes/polynomial.js'
import type { CutRequest, InterfaceOptions, Rewrite } from '../torch/index.js'
import { normsOfAll } from './norms.js'
import { type Entry, ratioOf, Scalars } from './scalars.js'

/** @internal */
export const COMPILE_CUT = signature('compileCut', ['analysis', ANALYSIS], ['plan', PLAN])

/**
 * Translates a plan into edits of the graph: every constant that carries a width is rewritten from the analysis, never by
 * its value; a number that only computes with a width is pinned to what it was.
 *
 * @returns what `ScriptModule.cut` takes; {@link cutAndVerify} also proves it
 * @throws EspalierError ERR_UNSUPPORTED when a node that runs several times would need different constants, or a width
 *   comes out of arithmetic that is not understood; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { analyse, compileCut, makePlan } from 'espalier/analysis'
 *
 * const model = await load('model.pt')
 * const recording = await model.record([Tensor.zeros([1, 3, 8, 8])])
 * const analysis = analyse(recording.record)
 * const request = compileCut(analysis, makePlan(analysis, new Map([[0, [3, 1, 4, 2]]]), { ratio: 0.5 }))
 * const small = await model.cut(recording, request)
 * console.log(small.parameters().get('conv.weight')!.shape) // [ 2, 3, 3, 3 ]
 * ```
 */
export function compileCut(analysis: Analysis, plan: Plan): Required<Omit<CutRequest, keyof InterfaceOptions>> {
  COMPILE_CUT.check(analysis, plan)
  const widths = new Widths(analysis, removedUnits(analysis, plan))
  const compiler = new Compiler(analysis, widths)
  for (const op of analysis.record.ops) if (analysis.live.has(op)) compiler.compile(op)
  for (const block of analysis.record.skipped) compiler.keepBranch(block)
  const slices = Object.entries(plan.keep).flatMap(([name, dims]) =>
    Object.entries(dims).map(([dim, keep]) => ({ name, dim: Number(dim), keep: Int32Array.from(keep) })),
  )
  const edits = compiler.edits()
  return { slices, ...edits, rewrites: [...edits.rewrites, ...normsOfAll(analysis, widths.removed)] }
}

/** Gathers the edits of one cut; the operators' own demands are in operators/. */
export class Compiler implements Resizing {
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

  edits(): Omit<Edits, 'slices'> {
    const all = [...this.placed.values()].map(({ edit }) => edit)
    return {
      constants: all.flatMap((e) => (e.kind === 'constant' ? [{ ...e.place, value: e.value }] : [])),
      scaled: all.flatMap((e) =>
        e.kind === 'scaled'
          ? [
              {
                ...e.place,
                multiply: e.multiply,
                divide: e.divide,
                ...(e.entries.length > 0 && { entries: e.entries }),
              },
            ]
          : [],
      ),
      tensors: all.flatMap((e) => (e.kind === 'tensor' ? [{ ...e.place, slices: e.slices }] : [])),
      rewrites: all.flatMap((e) => (e.kind === 'rewrite' ? [e.rewrite] : [])),
      closed: all.flatMap((e) => (e.kind === 'close' ? [{ node: e.place.node, block: e.block }] : [])),
    }
  }

  compile(op: OpEntry): void {
    const handled = operatorOf(op.name, op.overload)?.resize?.(this, op) ?? new Set<number>()
    this.eachArgument(op, (place, id) => this.sliceConstant(op, place, id))
    if (op.name === 'prim::Loop') this.keepRounds(op)
    if (!flatArgs(op.outputs).some((id) => this.isData(id))) return
    // A number that is no width but was computed from one keeps the value it had.
    this.eachArgument(op, (place, id) => {
      if (!handled.has(place.input)) this.pin(op, place, id)
    })
  }

  /** A loop goes on for as many rounds as it did. */
  private keepRounds(op: OpEntry): void {
    this.eachArgument(op, (place, id) => {
      if (place.input === 0) this.pin(op, place, id)
      if (place.input !== 1) return
      const width = this.scalars.changedSource(id)
      if (width !== undefined) this.refuse(op, 'goes on while a width says so', width)
    })
  }

  /**
   * Where a width decided which way an `if` goes, it goes on as it went. A branch that was not analysed raises, unless an
   * input takes it in another round.
   */
  keepBranch(block: SkippedBlock): void {
    const { node, scope, kind, condition } = block
    const was = condition === undefined ? undefined : this.scalars.before(condition)
    if (kind !== 'if' || condition === undefined || was === undefined) return
    const op = { name: 'prim::If', scope }
    if (this.scalars.changes(condition)) {
      this.put(op, { kind: 'constant', place: { node, input: 0 }, value: was !== 0 })
    } else if (this.analysis.closed.has(block) && this.goesOneWay(node)) {
      this.put(op, { kind: 'close', place: { node, input: -1 }, block: was ? 1 : 0 })
    }
  }

  private goesOneWay(node: number): boolean {
    const ways = this.analysis.record.skipped.flatMap((block) =>
      block.node === node && block.condition !== undefined ? [this.scalars.before(block.condition)] : [],
    )
    return new Set(ways).size === 1
  }

  /** The operator takes `value` there. */
  constant(op: OpEntry, place: Place, value: number): void {
    this.put(op, { kind: 'constant', place, value })
  }

  refuse(op: OpEntry, why: string, number?: ValueId): never {
    throw new Refusal(op, why, number)
  }

  /** The position of an argument; -1 when the operator has none of that name. */
  position(op: OpEntry, argument: string): number {
    return op.argNames.indexOf(argument)
  }

  /** Demands that a number, or an element of a list of them, is this after the cut, for every input. */
  require(op: OpEntry, place: Place, id: ValueId, wanted: number | Polynomial): void {
    this.put(op, this.demand(op, place, id, typeof wanted === 'number' ? Polynomial.constant(wanted) : wanted))
  }

  private demand(op: OpEntry, place: Place, id: ValueId, wanted: Polynomial): Edit {
    const [was, now] = [this.scalars.was(id), this.scalars.now(id)]
    if (now.same(wanted)) return { kind: 'leave', place }
    // What no input changes needs no arithmetic.
    if (was.value !== undefined && wanted.value !== undefined) {
      const flag = this.analysis.record.values[id]?.kind === 'bool'
      return { kind: 'constant', place, value: flag ? wanted.value !== 0 : wanted.value }
    }
    // Only a whole number is scaled; any other is computed anew from the sizes that it had.
    const whole = this.analysis.record.values[id]?.kind === 'int'
    const direct = whole ? ratioOf(now, wanted) : undefined
    if (direct) return { kind: 'scaled', place, ...direct, entries: [] }
    const [entries, ratio] = [this.scalars.entries(id), whole || was.same(wanted) ? ratioOf(was, wanted) : undefined]
    if (!entries || !ratio) return this.refuse(op, 'computes with a width that is cut', id)
    return { kind: 'scaled', place, ...ratio, entries }
  }

  /** Demands new values of the elements of a list of sizes; -1 (inferred) is left alone. */
  requireList(op: OpEntry, argument: string, wanted: readonly (number | Polynomial | undefined)[]): Set<number> {
    const input = this.position(op, argument)
    const arg = op.inputs[input]
    if (typeof arg === 'object') {
      arg.forEach((element, k) => {
        if (typeof element !== 'number' || this.scalars.was(element).value === -1) return
        this.require(op, { node: op.node, input, element: k }, element, wanted[k] ?? this.scalars.was(element))
      })
    }
    return new Set([input])
  }

  rewrite(op: OpEntry, source: string, values: Source['values']): void {
    const { node } = op
    this.put(op, { kind: 'rewrite', place: { node, input: -1 }, rewrite: { node, source, values } })
  }

  tensorId(op: OpEntry, argument: string): ValueId | undefined {
    const arg = op.inputs[this.position(op, argument)]
    return typeof arg === 'number' && this.analysis.record.values[arg]?.kind === 'tensor' ? arg : undefined
  }

  private pin(op: OpEntry, place: Place, id: ValueId): void {
    if (this.scalars.before(id) !== undefined && this.scalars.changes(id)) {
      this.require(op, place, id, this.scalars.was(id))
    }
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

  /** No number of sizes alone, which is put right where it is used: a tensor, or a float that the input decides. */
  private isData(id: ValueId): boolean {
    const value = this.analysis.record.values[id]
    if (value?.kind === 'tensor' && value.shape.length > 0) return true
    const float = value?.kind === 'float' || (value?.kind === 'tensor' && value.dtype.includes('float'))
    return float && this.scalars.before(id) === undefined
  }

  private put(op: Operator, edit: Edit): void {
    const { node, input, element } = edit.place
    const key = `${node}.${input}.${element ?? ''}`
    const known = this.placed.get(key)
    if (known && JSON.stringify(known.edit) !== JSON.stringify(edit)) {
      throw new Refusal(op, 'runs several times and would need a different width each time')
    }
    this.placed.set(key, { edit })
  }
}

/** All lists of a cut request. */
type Edits = Required<Omit<CutRequest, keyof InterfaceOptions>>

type Operator = Pick<OpEntry, 'name' | 'scope'>

/** Why an operator can't be cut as planned. */
export class Refusal extends EspalierError {
  readonly op: Operator
  /** The number that it takes and that can't be put right. */
  readonly number: ValueId | undefined

  constructor(op: Operator, why: string, number?: ValueId) {
    super('ERR_UNSUPPORTED', `${op.name} in '${op.scope}' ${why}`)
    this.op = op
    this.number = number
  }
}

type Edit =
  | { kind: 'leave'; place: Place }
  | { kind: 'constant'; place: Place; value: number | boolean }
  | { kind: 'scaled'; place: Place; multiply: number; divide: number; entries: readonly Entry[] }
  | { kind: 'tensor'; place: Place; slices: { dim: number; keep: Int32Array }[] }
  | { kind: 'rewrite'; place: Place; rewrite: Rewrite }
  | { kind: 'close'; place: Place; block: 0 | 1 }
