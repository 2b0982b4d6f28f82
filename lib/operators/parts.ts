import { type Axis, fixedAxis } from '../axes/axes.js'
import { type Arg, flat, type OpEntry, type ValueId } from '../record/record.js'
import type { LengthRule } from '../sizes/lengths.js'
import { Polynomial } from '../sizes/polynomial.js'
import type { Tensor } from './graph.js'
import { at, dimension, first, shared } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { axesOf, dimOf, kept, type Resize, type Resizing, renumbered, shrinks } from './resize.js'
import { indices, picked } from './source.js'
import { windowLengths } from './windows.js'

/**
 * What of an axis is read depends on the input: another input reads what this one leaves out, so it stays whole. So does an
 * axis whose own length does, since its parts are then others each time.
 */
export function keepWhole(op: Op, x: Tensor, at: number, ...numbers: readonly string[]): void {
  const length = op.graph.lengths.length(x.id, at)
  if (length.value === undefined || numbers.some((name) => op.varies(name))) {
    op.fix(x.axes[at] as Axis, 'read by the size of the input')
  }
}

const cat: Relate = (op) => {
  const all = op.tensors('tensors')
  // An empty one-dimensional tensor is accepted at any rank, and adds nothing.
  const parts = all.filter((t) => !(t.shape.length === 1 && t.shape[0] === 0))
  const first = parts[0]
  if (!first) return op.freeze('empty tensor')
  const at = op.dim(op.int('dim', 0), first.shape.length)
  const axes = first.axes.map((axis, d) => {
    if (d === at) return Int32Array.from(parts.flatMap((t) => Array.from(t.axes[d] as Axis)))
    for (const t of parts.slice(1)) op.equate(axis, t.axes[d] as Axis)
    return axis
  })
  op.output(
    axes,
    axes.map((_, d) => parts.every((t) => t.zero[d])),
  )
}

const stack: Relate = (op) => {
  const parts = op.tensors('tensors')
  const first = parts[0]
  if (!first) return op.freeze('empty tensor')
  const at = op.dim(op.int('dim', 0), first.shape.length + 1)
  const axes = first.axes.map((axis, d) => {
    for (const t of parts.slice(1)) op.equate(axis, t.axes[d] as Axis)
    return axis
  })
  const zero = axes.map((_, d) => parts.every((t) => t.zero[d]))
  op.output(
    [...axes.slice(0, at), fixedAxis(parts.length), ...axes.slice(at)],
    [...zero.slice(0, at), false, ...zero.slice(at)],
  )
}

/** `split`, `chunk`: consecutive parts; their sizes are read off the outputs. */
const split: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  keepWhole(op, x, at, 'split_size', 'split_sizes', 'chunks', 'sections', 'indices')
  let start = 0
  op.allOutputs().forEach((id, k) => {
    const end = start + (op.graph.value(id)?.shape[at] ?? 0)
    const axes = replaced(x.axes, at, (x.axes[at] as Axis).slice(start, end))
    op.output(axes, x.zero, k)
    start = end
  })
}

/** `slice` and `narrow`: the length is read off the output. */
const slice: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  const size = x.shape[at] as number
  const from = op.int('start', 0)
  const start = Math.min(Math.max(from < 0 ? from + size : from, 0), size)
  const step = op.int('step', 1)
  const length = op.graph.value(op.allOutputs()[0] ?? -1)?.shape[at] ?? 0
  const axis = x.axes[at] as Axis
  const whole = isWhole(op, x, at)
  if (!whole) keepWhole(op, x, at, 'start', 'end', 'length', 'step')
  const cut = whole ? axis : Int32Array.from({ length }, (_, k) => axis[start + k * step] as number)
  op.output(replaced(x.axes, at, cut), x.zero)
}

/** Whether a slice takes all of a dimension, of any length. */
function isWhole(op: Op, x: Tensor, at: number): boolean {
  const length = op.graph.lengths.length(x.id, at)
  const [start, end] = [op.length('start'), op.length('length') ?? op.length('end')]
  const constant = length.value !== undefined && end?.value !== undefined && end.value >= length.value
  const toEnd =
    end === undefined || end.value === undefined ? (end?.same(length) ?? true) : constant || end.value >= 2 ** 31
  return toEnd && (start === undefined || start.value === 0) && op.int('step', 1) === 1
}

export function replaced(axes: readonly Axis[], at: number, axis: Axis): Axis[] {
  return axes.map((own, d) => (d === at ? axis : own))
}

/** One index is taken, and always stays; its number follows what is cut before it. */
const select: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  const axis = x.axes[at] as Axis
  keepWhole(op, x, at)
  const index = op.number('index')
  if (index === undefined || op.varies('index')) op.fix(axis, 'index not constant')
  else op.fix(axis.subarray(op.dim(index, axis.length)).subarray(0, 1), 'index taken')
  dropDimension(op, x, at)
}

/** Every index is taken. */
const unbind: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  op.fix(x.axes[at] as Axis, 'index taken')
  dropDimension(op, x, at)
}

function dropDimension(op: Op, x: Tensor, at: number): void {
  const axes = x.axes.filter((_, d) => d !== at)
  const zero = x.zero.filter((_, d) => d !== at)
  op.allOutputs().forEach((_, k) => {
    op.output(axes, zero, k)
  })
}

/** `a * sigmoid(b)` of the two halves of an axis. */
const glu: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', -1), x.shape.length)
  const axis = x.axes[at] as Axis
  keepWhole(op, x, at)
  const [a, b] = [axis.slice(0, axis.length / 2), axis.slice(axis.length / 2)]
  op.equate(a, b)
  op.output(replaced(x.axes, at, a), x.zero)
}

/** Constant padding adds coordinates that are cut with what they are added to; other padding repeats what is there. */
const pad: Relate = (op) => {
  const x = op.input('self')
  const amounts = op.ints('pad')
  const mode = op.arg('mode')
  const value = typeof mode === 'number' ? op.graph.record.values[mode] : undefined
  const constant = op.entry.name === 'aten::constant_pad_nd' || (value?.kind === 'string' && value.value === 'constant')
  const stays = !constant || (op.number('value') ?? 0) === 0
  const shape = op.outputShape()
  const every = [...op.listed('pad'), ...op.listed('padding')]
  const axes = x.axes.map((axis, d) => {
    const k = 2 * (x.axes.length - 1 - d)
    const [left, right] = [amounts?.[k] ?? 0, amounts?.[k + 1] ?? 0]
    if ([every[k], every[k + 1]].every((n) => n === undefined || n.value === 0)) return axis
    keepWhole(op, x, d, 'pad')
    if (constant && amounts && left >= 0 && right >= 0 && !op.isFixed(axis)) {
      return Int32Array.from([...padding(op, left), ...axis, ...padding(op, right)])
    }
    op.fix(axis, 'padded axis')
    return fixedAxis(shape[d] as number)
  })
  op.output(
    axes,
    x.zero.map((zero) => zero && stays),
  )
}

/** Coordinates that an operator adds; unlike an axis of its own even a single one may go. */
function padding(op: Op, n: number): Axis {
  return op.fresh(n + 1, 0).subarray(0, n)
}

const joinedLengths: LengthRule = (op) => {
  const parts = op.tensors('tensors').filter(({ sizes }) => !(sizes.length === 1 && sizes[0] === 0))
  const d = at(op.int('dim') ?? 0, parts[0]?.sizes.length ?? 0)
  return parts[0]?.sizes.map((size, e) =>
    e === d
      ? parts.reduce<Polynomial>((sum, t) => sum.plus(t.lengths[d] as Polynomial), Polynomial.constant(0))
      : shared(parts.map(({ lengths }) => ({ size, length: lengths[e] as Polynomial }))),
  )
}

const stackedLengths: LengthRule = (op, shape) => {
  const parts = op.tensors('tensors')
  const d = at(op.int('dim') ?? 0, shape.length)
  const own = parts[0]?.lengths
  return own && [...own.slice(0, d), Polynomial.constant(parts.length), ...own.slice(d)]
}

/** `x[start:end]`: bounds that are left out, or lie beyond the end, are those of the dimension. */
const slicedLengths = dimension((op, x, d) => {
  const length = x.lengths[d] as Polynomial
  const [start, end] = [op.number('start') ?? Polynomial.constant(0), op.number('end') ?? length]
  if ((op.int('step') ?? 1) !== 1) return undefined
  const whole = end.value !== undefined && end.value >= 2 ** 31
  const last = whole ? length : end.value !== undefined && end.value < 0 ? length.plus(end) : end
  return start.value !== undefined && start.value < 0 ? start.scaled(-1, 1) : last.plus(start, -1)
})

const selectedLengths: LengthRule = (op) => {
  const x = first(op)
  const d = at(op.int('dim') ?? 0, x?.sizes.length ?? 0)
  return x?.lengths.filter((_, e) => e !== d)
}

const splitLengths = dimension((op, _, __, k) => op.numbers('split_sizes')?.[k] ?? op.numbers('split_size')?.[k])

/** Equal parts of a dimension that divides for every input. */
const chunkLengths = dimension((op, x, d) => x.lengths[d]?.scaled(1, op.int('chunks') ?? op.int('sections') ?? 0))

const paddedLengths: LengthRule = (op) => {
  const [x, amounts] = [first(op), op.numbers('pad')]
  return x?.lengths.map((length, d) => {
    const k = 2 * (x.sizes.length - 1 - d)
    const [before, after] = [amounts?.[k], amounts?.[k + 1]]
    return before && after ? length.plus(before).plus(after) : amounts && length
  })
}

/** Equal parts as long as they stay equal, else a list of sizes. */
const partsKept: Resize = (cut, op) => {
  const sizes = partSizes(cut, op)
  const argument = ['split_sizes', 'split_size', 'chunks', 'sections', 'indices'].find(
    (name) => cut.position(op, name) >= 0,
  )
  const input = cut.position(op, argument ?? '')
  const id = op.inputs[input]
  const handled = new Set([input])
  const recorded = recordedPartSizes(cut, op)
  if (argument === undefined || id === undefined || sizes.every((size, k) => size === recorded[k])) return new Set()
  if (typeof id === 'object' && argument !== 'indices') return cut.requireList(op, argument, sizes)
  const total = sizes.reduce((a, b) => a + b, 0)
  const count = typeof id === 'number' ? (cut.scalars.before(id) ?? 1) : 1
  const wanted = argument === 'chunks' ? Math.ceil(total / count) : (sizes[0] as number)
  const rule = argument === 'chunks' || argument === 'split_size'
  const even = rule && sizes.every((size, k) => size === Math.min(wanted, total - k * wanted))
  if (!even)
    cut.rewrite(op, `return torch.split_with_sizes(self, sizes, ${cut.position(op, 'dim') < 0 ? 0 : 'dim'})`, { sizes })
  else if (typeof id === 'number') cut.require(op, { node: op.node, input }, id, argument === 'chunks' ? count : wanted)
  return handled
}

/** `x[start:end:step]` where the axis shrinks: new bounds, or a selection where the step no longer fits. */
const boundsLeft: Resize = (cut, op) => {
  const names = op.name.endsWith('narrow') ? ['start', 'length'] : ['start', 'end']
  const handled = new Set(names.map((name) => cut.position(op, name)))
  const axes = axesOf(cut, op, 'self')
  const dim = dimOf(cut, op, axes?.length ?? 0)
  const axis = axes?.[dim]
  if (!axis || !shrinks(cut, axis)) return new Set()
  const [startId, endId] = names.map((name) => op.inputs[cut.position(op, name)])
  const number = (arg: Arg | undefined) => (typeof arg === 'number' ? cut.scalars.before(arg) : undefined)
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + axis.size : i, 0), axis.size)
  const start = clamp(number(startId) ?? 0)
  const second = number(endId)
  const end = names[1] === 'length' ? start + (second ?? 0) : clamp(second ?? axis.size)
  const step = number(op.inputs[cut.position(op, 'step')]) ?? 1
  if (step !== 1) {
    const taken = Array.from({ length: Math.ceil((end - start) / step) }, (_, k) => start + k * step)
    const left = indices(renumbered(cut, axis, taken))
    cut.rewrite(op, `return ${picked('self', dim, 'left')}`, { left })
    return handled
  }
  const [from, to] = [kept(cut, axis, 0, start), kept(cut, axis, 0, end)]
  const place = (name: string) => ({ node: op.node, input: cut.position(op, name) })
  if (typeof startId === 'number' && number(startId) !== undefined) cut.require(op, place('start'), startId, from)
  if (typeof endId === 'number' && second !== undefined) {
    const own = cut.widths.length(cut.tensorId(op, 'self') as ValueId, dim)
    // Beyond the end is beyond the end; the length of any input, where that is asked for.
    const open = end === axis.size && !cut.scalars.isComputed(endId)
    if (names[1] === 'length') cut.require(op, place('length'), endId, own.value === undefined ? own : to - from)
    else if (!open) cut.require(op, place('end'), endId, own.value === undefined ? own : to)
  }
  return handled
}

/** The index that `select` takes, among what is left. */
const indexLeft: Resize = (cut, op) => {
  const input = cut.position(op, 'index')
  const id = op.inputs[input]
  const axes = axesOf(cut, op, 'self')
  const index = typeof id === 'number' ? cut.scalars.before(id) : undefined
  const axis = axes?.[dimOf(cut, op, axes.length)]
  if (!axis || typeof id !== 'number' || index === undefined || !shrinks(cut, axis)) return new Set()
  const at = kept(cut, axis, 0, index < 0 ? index + axis.size : index)
  cut.require(op, { node: op.node, input }, id, index < 0 ? at - cut.widths.size(axis) : at)
  return new Set([input])
}

/** How much is added before and after each dimension, last dimension first. */
const paddingLeft: Resize = (cut, op) => {
  const x = axesOf(cut, op, 'self')
  const output = op.outputs[0]
  const made = typeof output === 'number' ? cut.analysis.axesOf(output) : undefined
  const now = op.inputs[cut.position(op, 'pad')]
  if (!x || !made || typeof now !== 'object') return new Set()
  const wanted = now.map((id, k) => {
    const before = typeof id === 'number' ? cut.scalars.before(id) : undefined
    const axis = made[made.length - 1 - Math.floor(k / 2)]
    if (before === undefined || before <= 0 || !axis || !shrinks(cut, axis)) return undefined
    return k % 2 === 0 ? kept(cut, axis, 0, before) : kept(cut, axis, axis.size - before, axis.size)
  })
  return cut.requireList(op, 'pad', wanted)
}

function partSizes(cut: Resizing, op: OpEntry): number[] {
  return flat(op.outputs).map((id) => {
    const shape = cut.widths.shape(id)
    return shape[dimOf(cut, op, shape.length)] ?? 0
  })
}

function recordedPartSizes(cut: Resizing, op: OpEntry): number[] {
  return flat(op.outputs).map((id) => {
    const value = cut.analysis.record.values[id]
    const shape = value?.kind === 'tensor' ? value.shape : []
    return shape[dimOf(cut, op, shape.length)] ?? 0
  })
}

const SPLIT = 'consecutive parts, of unequal sizes after a cut; all of it where they depend on the input'

export const parts: Family = [
  ...operators('cat concat concatenate', 'what is left of each part', { relate: cat, lengths: joinedLengths }),
  ...operators('stack', 'parts with the same axes', { relate: stack, lengths: stackedLengths }),
  ...operators('split split_with_sizes', SPLIT, {
    relate: split,
    lengths: splitLengths,
    resize: partsKept,
    view: true,
  }),
  ...operators('unsafe_split unsafe_split_with_sizes', SPLIT, {
    relate: split,
    lengths: splitLengths,
    resize: partsKept,
  }),
  ...operators('chunk tensor_split', SPLIT, { relate: split, lengths: chunkLengths, resize: partsKept, view: true }),
  ...operators('unsafe_chunk', SPLIT, { relate: split, lengths: chunkLengths, resize: partsKept }),
  ...operators('slice', 'a part, with new bounds; all of it where they depend on the input', {
    ...{ relate: slice, lengths: slicedLengths, resize: boundsLeft },
    view: true,
  }),
  ...operators('narrow', 'a part, with new bounds; all of it where they depend on the input', {
    ...{ relate: slice, lengths: dimension((op) => op.number('length')), resize: boundsLeft },
    view: true,
  }),
  ...operators('select', 'one index, which stays, with a new number', {
    relate: select,
    lengths: selectedLengths,
    resize: indexLeft,
    view: true,
  }),
  ...operators('unbind', 'other dimensions; this one stays', { relate: unbind, lengths: selectedLengths, view: true }),
  ...operators('glu', 'both halves alike', {
    relate: glu,
    lengths: dimension((_, x, d) => x.lengths[d]?.scaled(1, 2), -1),
  }),
  ...operators('pad constant_pad_nd', 'zeros are cut with what they are added to; other padding stays', {
    ...{ relate: pad, lengths: paddedLengths, resize: paddingLeft },
  }),
  ...operators(
    'reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d',
    'other dimensions; padded ones stay',
    { relate: pad, lengths: windowLengths(({ sizes }) => sizes.length - 2) },
  ),
]
