import { EspalierError } from '../errors.js'
import {
  type Analysis,
  type Arg,
  flatArgs,
  type OpEntry,
  survives,
  type UnitAxis,
  type ValueId,
} from '../graph/index.js'
import { type Plan, removedUnits } from './plan.js'
import { Scalars } from './scalars.js'
import { Widths } from './widths.js'

/** What surgery has to do to a module. Nodes and inputs are those of the op record. */
export interface CutRequest {
  /** What stays of a parameter or buffer, by its first name. */
  slices: { name: string; dim: number; keep: Int32Array }[]
  /** An input of a node, or one element of a list that it takes, becomes this constant. */
  constants: { node: number; input: number; element?: number; value: number }[]
  /** An int computed at run time is multiplied, then floor-divided. */
  scaled: { node: number; input: number; element?: number; multiply: number; divide: number }[]
  /** A cut that must change its form. */
  rewrites: (
    | { node: number; form: 'split_with_sizes'; sizes: number[] }
    | { node: number; form: 'index_select'; dim: number; indices: number[] }
  )[]
}

/** Where a number of the graph is used. */
interface Place {
  node: number
  input: number
  element?: number
}

/**
 * Translates a plan into edits of the graph: every constant that carries a width is rewritten from the analysis, never by
 * its value; a number that only computes with a width is pinned to what it was.
 *
 * @throws EspalierError `ERR_UNSUPPORTED` when a node that runs several times would need different constants, or a width
 * comes out of arithmetic that is not understood.
 */
export function compileCut(analysis: Analysis, plan: Plan): CutRequest {
  const widths = new Widths(analysis, removedUnits(analysis, plan))
  const compiler = new Compiler(analysis, widths)
  for (const op of analysis.record.ops) if (analysis.live.has(op)) compiler.compile(op)
  const slices = Object.entries(plan.keep).flatMap(([name, dims]) =>
    Object.entries(dims).map(([dim, keep]) => ({ name, dim: Number(dim), keep: Int32Array.from(keep) })),
  )
  return { slices, ...compiler.edits() }
}

class Compiler {
  readonly analysis: Analysis
  readonly widths: Widths
  readonly scalars: Scalars
  /** By place, so that a node that runs twice is edited once, and a contradiction is noticed. */
  private readonly placed = new Map<string, { op: OpEntry; edit: Edit }>()

  constructor(analysis: Analysis, widths: Widths) {
    this.analysis = analysis
    this.widths = widths
    this.scalars = new Scalars(analysis.record, widths)
  }

  edits(): Omit<CutRequest, 'slices'> {
    const all = [...this.placed.values()].map(({ edit }) => edit).filter((edit) => edit.kind !== 'leave')
    return {
      constants: all.flatMap((e) => (e.kind === 'constant' ? [{ ...e.place, value: e.value }] : [])),
      scaled: all.flatMap((e) => (e.kind === 'scaled' ? [{ ...e.place, multiply: e.multiply, divide: e.divide }] : [])),
      rewrites: all.flatMap((e) => (e.kind === 'rewrite' ? [e.rewrite] : [])),
    }
  }

  compile(op: OpEntry): void {
    const slots = SLOTS.get(op.name)
    const handled = slots ? slots(this, op) : new Set<number>()
    if (flatArgs(op.outputs).some((id) => this.rank(id) > 0)) this.pinOthers(op, handled)
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
      throw new EspalierError(
        'ERR_UNSUPPORTED',
        `${op.name} in '${op.scope}' takes a width from arithmetic that is not understood`,
      )
    }
    if (!this.scalars.varies(id)) return { kind: 'constant', place, value: wanted }
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

  /** A number that is no width but was computed from one keeps the value it had. */
  private pinOthers(op: OpEntry, handled: ReadonlySet<number>): void {
    op.inputs.forEach((arg, input) => {
      if (handled.has(input)) return
      if (typeof arg === 'number') this.pin(op, { node: op.node, input }, arg)
      else
        arg.forEach((element, k) => {
          if (typeof element === 'number') this.pin(op, { node: op.node, input, element: k }, element)
        })
    })
  }

  private pin(op: OpEntry, place: Place, id: ValueId): void {
    const was = this.scalars.before(id)
    if (was !== undefined && this.scalars.after(id) !== was) this.require(op, place, id, was)
  }

  private rank(id: ValueId): number {
    const value = this.analysis.record.values[id]
    return value?.kind === 'tensor' ? value.shape.length : 0
  }

  private put(op: OpEntry, edit: Edit): void {
    const { node, input, element } = edit.place
    const key = `${node}.${input}.${element ?? ''}`
    const known = this.placed.get(key)
    if (known && JSON.stringify(known.edit) !== JSON.stringify(edit)) {
      throw new EspalierError(
        'ERR_UNSUPPORTED',
        `${op.name} in '${op.scope}' runs several times and would need a different width each time`,
      )
    }
    this.placed.set(key, { op, edit })
  }
}

type Edit =
  | { kind: 'leave'; place: Place }
  | { kind: 'constant'; place: Place; value: number }
  | { kind: 'scaled'; place: Place; multiply: number; divide: number }
  | { kind: 'rewrite'; place: Place; rewrite: CutRequest['rewrites'][number] }

/** Demands new widths of an operator's arguments; returns the positions it has dealt with. */
type Slots = (compiler: Compiler, op: OpEntry) => Set<number>

/** Groups of a convolution: channels read, over channels that each filter reads. */
const groups: Slots = (compiler, op) => {
  const input = compiler.position(op, 'groups')
  const id = op.inputs[input]
  const x = compiler.tensorId(op, 'input')
  const weight = compiler.tensorId(op, 'weight')
  if (typeof id !== 'number' || x === undefined || weight === undefined) return new Set()
  const transposed = op.inputs[compiler.position(op, 'transposed')]
  const flag = typeof transposed === 'number' ? compiler.analysis.record.values[transposed] : undefined
  const swapped = op.name.startsWith('aten::conv_transpose') || (flag?.kind === 'bool' && flag.value === true)
  const w = compiler.widths.shape(weight)
  const channels = swapped ? outputShape(compiler, op) : compiler.widths.shape(x)
  const channel = channels.length - (w.length - 2) - 1
  if ((compiler.scalars.before(id) ?? 1) !== 1)
    compiler.require(op, { node: op.node, input }, id, (channels[channel] ?? 1) / (w[1] ?? 1))
  return new Set([input])
}

const outputSizes =
  (argument: string): Slots =>
  (compiler, op) =>
    compiler.requireList(op, argument, outputShape(compiler, op))

/** `unflatten(dim, sizes)`: the sizes stand where the dimension was. */
const unflattenSizes: Slots = (compiler, op) => {
  const x = compiler.tensorId(op, 'self')
  const rank = x === undefined ? 0 : compiler.widths.shape(x).length
  const dim = dimOf(compiler, op, rank)
  return compiler.requireList(op, 'sizes', outputShape(compiler, op).slice(dim))
}

/** Equal parts as long as they stay equal, else a list of sizes. */
const parts: Slots = (compiler, op) => {
  const sizes = partSizes(compiler, op)
  const list = compiler.position(op, 'split_sizes')
  if (op.name.endsWith('split_with_sizes') || (list >= 0 && typeof op.inputs[list] === 'object')) {
    return compiler.requireList(op, list >= 0 ? 'split_sizes' : 'split_size', sizes)
  }
  const argument = op.name.endsWith('chunk') ? 'chunks' : 'split_size'
  const input = compiler.position(op, argument)
  const id = op.inputs[input]
  const handled = new Set([input])
  const unchanged = sizes.every((size, k) => size === recordedPartSizes(compiler, op)[k])
  if (typeof id !== 'number' || unchanged) return handled
  const total = sizes.reduce((a, b) => a + b, 0)
  const wanted = argument === 'chunks' ? Math.ceil(total / (compiler.scalars.before(id) ?? 1)) : (sizes[0] as number)
  const even = sizes.every((size, k) => size === Math.min(wanted, total - k * wanted))
  if (!even) compiler.rewrite(op, { node: op.node, form: 'split_with_sizes', sizes })
  else if (argument === 'split_size') compiler.require(op, { node: op.node, input }, id, wanted)
  return handled
}

/** `x[start:end:step]` where the axis shrinks: new bounds, or a selection where the step no longer fits. */
const bounds: Slots = (compiler, op) => {
  const names = op.name.endsWith('narrow') ? ['start', 'length'] : ['start', 'end']
  const handled = new Set(names.map((name) => compiler.position(op, name)))
  const x = compiler.tensorId(op, 'self')
  const axes = x === undefined ? undefined : compiler.analysis.axesOf(x)
  if (!axes) return handled
  const dim = dimOf(compiler, op, axes.length)
  const axis = axes[dim] as UnitAxis
  if (!axis.offsets || compiler.widths.size(axis) === axis.size) return handled
  const [startId, endId] = names.map((name) => op.inputs[compiler.position(op, name)])
  const number = (arg: Arg | undefined) => (typeof arg === 'number' ? compiler.scalars.before(arg) : undefined)
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + axis.size : i, 0), axis.size)
  const start = clamp(number(startId) ?? 0)
  const second = number(endId)
  const end = names[1] === 'length' ? start + (second ?? 0) : clamp(second ?? axis.size)
  const step = number(op.inputs[compiler.position(op, 'step')]) ?? 1
  if (step !== 1) {
    const indices: number[] = []
    for (let i = 0, k = 0; i < axis.size; i++) {
      if (!survives(axis, i, compiler.widths.removed)) continue
      if (i >= start && i < end && (i - start) % step === 0) indices.push(k)
      k++
    }
    compiler.rewrite(op, { node: op.node, form: 'index_select', dim, indices })
    return handled
  }
  const position = (limit: number) => {
    let kept = 0
    for (let i = 0; i < limit; i++) if (survives(axis, i, compiler.widths.removed)) kept++
    return kept
  }
  const [from, to] = [position(start), position(end)]
  const place = (name: string) => ({ node: op.node, input: compiler.position(op, name) })
  if (typeof startId === 'number' && number(startId) !== undefined && start > 0)
    compiler.require(op, place('start'), startId, from)
  if (typeof endId === 'number' && second !== undefined) {
    if (names[1] === 'length') compiler.require(op, place('length'), endId, to - from)
    else if (end < axis.size) compiler.require(op, place('end'), endId, to)
  }
  return handled
}

function outputShape(compiler: Compiler, op: OpEntry): readonly number[] {
  const output = op.outputs[0]
  return typeof output === 'number' ? compiler.widths.shape(output) : []
}

function dimOf(compiler: Compiler, op: OpEntry, rank: number): number {
  const arg = op.inputs[compiler.position(op, 'dim')]
  const dim = typeof arg === 'number' ? (compiler.scalars.before(arg) ?? 0) : 0
  return dim < 0 ? dim + rank : dim
}

function partSizes(compiler: Compiler, op: OpEntry): number[] {
  return flatArgs(op.outputs).map((id) => {
    const shape = compiler.widths.shape(id)
    return shape[dimOf(compiler, op, shape.length)] ?? 0
  })
}

function recordedPartSizes(compiler: Compiler, op: OpEntry): number[] {
  return flatArgs(op.outputs).map((id) => {
    const value = compiler.analysis.record.values[id]
    const shape = value?.kind === 'tensor' ? value.shape : []
    return shape[dimOf(compiler, op, shape.length)] ?? 0
  })
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}

const SLOTS: ReadonlyMap<string, Slots> = new Map<string, Slots>([
  ...[
    'conv1d',
    'conv2d',
    'conv3d',
    'conv_transpose1d',
    'conv_transpose2d',
    'conv_transpose3d',
    '_convolution',
    'convolution',
  ].map((name): [string, Slots] => [`aten::${name}`, groups]),
  ['aten::view', outputSizes('size')],
  ['aten::_unsafe_view', outputSizes('size')],
  ['aten::reshape', outputSizes('shape')],
  ['aten::expand', outputSizes('size')],
  ['aten::unflatten', unflattenSizes],
  ['aten::split', parts],
  ['aten::split_with_sizes', parts],
  ['aten::chunk', parts],
  ['aten::slice', bounds],
  ['aten::narrow', bounds],
])
