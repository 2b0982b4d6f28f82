import { type Axis, fixedAxis } from '../axes/axes.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type Rule, type RuleTable, rules } from './rule.js'

/**
 * What of an axis is read depends on the input: another input reads what this one leaves out, so it stays whole. So does an
 * axis whose own length does, since its parts are then others each time.
 */
function keepWhole(op: Op, x: Tensor, at: number, ...numbers: readonly string[]): void {
  const length = op.graph.lengths.length(x.id, at)
  if (length.value === undefined || numbers.some((name) => op.varies(name))) {
    op.fix(x.axes[at] as Axis, 'read by the size of the input')
  }
}

const cat: Rule = (op) => {
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

const stack: Rule = (op) => {
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
const split: Rule = (op) => {
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
const slice: Rule = (op) => {
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

function replaced(axes: readonly Axis[], at: number, axis: Axis): Axis[] {
  return axes.map((own, d) => (d === at ? axis : own))
}

/** One index is taken, and always stays; its number follows what is cut before it. */
const select: Rule = (op) => {
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
const unbind: Rule = (op) => {
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

/** The indices of `axis` in another order, or some of them. */
function pick(axis: Axis, indices: readonly number[]): Axis {
  return Int32Array.from(indices, (i) => axis[i < 0 ? i + axis.length : i] as number)
}

/** Elements of a constant or buffer of integers; undefined when they are not known. */
function known(op: Op, t: Tensor): readonly number[] | undefined {
  const value = op.graph.value(t.id)
  return value?.dtype === 'bool' ? undefined : value?.data
}

const indexSelect: Rule = (op) => {
  const x = op.input('self')
  const index = op.input('index')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  keepWhole(op, x, at)
  op.output(replaced(x.axes, at, indexed(op, x.axes[at] as Axis, index)), x.zero)
}

/** What an index of one dimension takes of an axis; a table that is read by index must keep its numbering. */
function indexed(op: Op, axis: Axis, index: Tensor): Axis {
  for (const own of index.axes) op.fix(own, 'index')
  const indices = index.axes.length === 1 && !op.isFixed(axis) ? known(op, index) : undefined
  if (indices && new Set(indices).size === indices.length) return pick(axis, indices)
  op.fix(axis, 'rows by index')
  return fixedAxis(index.shape.reduce((a, b) => a * b, 1))
}

/** `x[:, index]`: index tensors in some dimensions, which are fixed; one alone may be a known selection. */
const index: Rule = (op) => {
  const x = op.input('self')
  const arg = op.arg('indices')
  const given = (Array.isArray(arg) ? arg : []).map((id) =>
    typeof id === 'number' ? op.graph.value(id) && op.graph.tensor(id) : undefined,
  )
  const at = given.flatMap((t, d) => (t ? [d] : []))
  const first = at[0] ?? -1
  const only = given[first]
  if (!only || given.some((t) => t && op.graph.value(t.id)?.dtype === 'bool')) return op.freeze('index by a mask')
  const rank = Math.max(...given.map((t) => t?.axes.length ?? 0))
  const together = at.every((d, k) => d === first + k)
  const place = together ? first : 0
  const shape = op.outputShape().slice(place, place + rank)
  for (const d of at) keepWhole(op, x, d)
  const own = at.length === 1 && rank === 1 ? [indexed(op, x.axes[first] as Axis, only)] : shape.map(fixedAxis)
  if (at.length > 1 || rank !== 1) {
    for (const t of given) for (const axis of t?.axes ?? []) op.fix(axis, 'index')
    for (const d of at) op.fix(x.axes[d] as Axis, 'rows by index')
  }
  const rest = x.axes.map((axis, d) => ({ axis, zero: x.zero[d] === true, d })).filter(({ d }) => !at.includes(d))
  const before = rest.filter(({ d }) => together && d < first)
  const after = rest.filter(({ d }) => !together || d > first)
  op.output(
    [...before.map(({ axis }) => axis), ...own, ...after.map(({ axis }) => axis)],
    [
      ...before.map(({ zero }) => zero),
      ...own.map(() => at.length === 1 && x.zero[first] === true),
      ...after.map(({ zero }) => zero),
    ],
  )
}

/** One element for each index along `dim`; the other dimensions run along with those of the index. */
const gather: Rule = (op) => {
  const x = op.input('self')
  const index = op.input('index')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  op.fix(x.axes[at] as Axis, 'rows by index')
  x.axes.forEach((axis, d) => {
    const own = index.axes[d] as Axis
    if (d === at) return
    if (own.length === axis.length) op.equate(axis, own)
    else for (const each of [axis, own]) op.fix(each, 'unsupported form')
  })
  op.output(
    index.axes,
    x.zero.map((zero, d) => d !== at && zero),
  )
}

/** `roll` and `flip`: the indices in another order. */
const reordered =
  (order: (size: number, shift: number) => number[]): Rule =>
  (op) => {
    const x = op.input('self')
    const dims = op.ints('dims')?.map((d) => op.dim(d, x.shape.length))
    if (!dims || dims.length === 0) return op.freeze('unsupported form')
    const shifts = op.ints('shifts') ?? dims.map(() => 0)
    for (const d of dims) keepWhole(op, x, d, 'shifts')
    const axes = x.axes.map((axis, d) => {
      const k = dims.indexOf(d)
      return k < 0 || op.isFixed(axis) ? axis : pick(axis, order(axis.length, shifts[k] ?? 0))
    })
    op.output(axes, x.zero)
  }

const rolled = (n: number, by: number) => Array.from({ length: n }, (_, i) => (((i - by) % n) + n) % n)
const flipped = (n: number) => Array.from({ length: n }, (_, i) => n - 1 - i)

/** `a * sigmoid(b)` of the two halves of an axis. */
const glu: Rule = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', -1), x.shape.length)
  const axis = x.axes[at] as Axis
  keepWhole(op, x, at)
  const [a, b] = [axis.slice(0, axis.length / 2), axis.slice(axis.length / 2)]
  op.equate(a, b)
  op.output(replaced(x.axes, at, a), x.zero)
}

/** Constant padding adds coordinates that are cut with what they are added to; other padding repeats what is there. */
const pad: Rule = (op) => {
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

/** Triangles and diagonals go by the numbers of the last two dimensions; scans and sorts by those of one. */
const over =
  (dims: (op: Op, x: Tensor) => readonly number[], kind: string, zeroStays = false): Rule =>
  (op) => {
    const x = op.input('self')
    const fixed = dims(op, x)
    for (const d of fixed) op.fix(x.axes[d] as Axis, kind)
    op.allOutputs().forEach((id, k) => {
      const shape = op.graph.value(id)?.shape ?? []
      const axes = shape.map((size, d) => (fixed.includes(d) ? fixedAxis(size) : (x.axes[d] as Axis)))
      op.output(
        axes,
        shape.map((_, d) => zeroStays && !fixed.includes(d) && x.zero[d] === true),
        k,
      )
    })
  }

const lastTwo = (_: Op, x: Tensor) => [x.axes.length - 2, x.axes.length - 1]
const named = (op: Op, x: Tensor) => [op.dim(op.int('dim', -1), x.axes.length)]

export const cutRules: RuleTable = new Map<string, Rule>([
  ...rules(cat, 'cat concat concatenate'),
  ...rules(stack, 'stack'),
  ...rules(split, 'split split_with_sizes chunk tensor_split unsafe_split unsafe_split_with_sizes unsafe_chunk'),
  ...rules(slice, 'slice narrow'),
  ...rules(select, 'select'),
  ...rules(unbind, 'unbind'),
  ...rules(indexSelect, 'index_select'),
  ...rules(index, 'index'),
  ...rules(gather, 'gather'),
  ...rules(reordered(rolled), 'roll'),
  ...rules(reordered(flipped), 'flip'),
  ...rules(glu, 'glu'),
  ...rules(
    pad,
    'pad constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d ' +
      'replication_pad3d',
  ),
  ...rules(over(lastTwo, 'triangle'), 'triu tril'),
  ...rules(over(named, 'scan over the axis', true), 'cumsum'),
  ...rules(over(named, 'scan over the axis'), 'cumprod diff sort argsort topk'),
  ...rules(over(named, 'softmax over the axis'), 'softmax log_softmax softmin _softmax _log_softmax'),
])
