import { type Axis, fixedAxis, mergeAxes } from '../axes.js'
import type { Op, Tensor } from '../op.js'
import type { Rule, RuleTable } from './rule.js'

const RESHAPE = { outer: 'heads', inner: 'head-dims' } as const

/** New order of dimensions; `order[i]` is the old dimension at position i. */
function reorder(op: Op, x: Tensor, order: readonly number[]): void {
  op.output(
    order.map((d) => x.axes[d] as Axis),
    order.map((d) => x.zero[d] === true),
  )
  for (const id of op.allOutputs()) op.graph.derive(id, x.id, order)
}

const permute: Rule = (op) => {
  const x = op.input('self')
  const dims = op.ints('dims')
  if (!dims) return op.freeze('dimensions not constant')
  reorder(
    op,
    x,
    dims.map((d) => op.dim(d, x.shape.length)),
  )
}

const transpose: Rule = (op) => {
  const x = op.input('self')
  const order = x.shape.map((_, d) => d)
  // `t` of a matrix has no dimensions to name.
  const a = op.dim(op.int('dim0', 0), x.shape.length)
  const b = op.dim(op.int('dim1', x.shape.length - 1), x.shape.length)
  if (x.shape.length > 1) [order[a], order[b]] = [b, a]
  reorder(op, x, order)
}

/**
 * `view` and its kin: dimensions of input and output are taken from the left in runs of equal product; each run is merged
 * into one axis and split again.
 */
const reshape: Rule = (op) => {
  const x = op.tensor('self') ?? op.input('input')
  const shape = op.graph.value(op.allOutputs()[0] ?? -1)?.shape ?? []
  if (shape.includes(0) || x.shape.includes(0)) return op.freeze('empty tensor')
  // `view(dtype)` reads the bytes anew.
  if (product(shape) !== product(x.shape)) return op.freeze('unsupported form')
  const axes: Axis[] = []
  const zero: boolean[] = []
  for (let i = 0, o = 0; i < x.shape.length || o < shape.length; ) {
    const [i0, o0] = [i, o]
    let read = x.shape[i++] ?? 1
    let written = shape[o++] ?? 1
    while (read !== written) {
      if (read < written) read *= x.shape[i++] ?? 1
      else written *= shape[o++] ?? 1
    }
    while (o === shape.length && i < x.shape.length && x.shape[i] === 1) i++
    const run = x.axes.slice(i0, i)
    const sizes = shape.slice(o0, o)
    const prunable = run.map((axis, k) => ({ axis, zero: x.zero[i0 + k] === true })).filter((p) => !op.isFixed(p.axis))
    axes.push(...splitRun(op, mergeAxes(op.coordinates, run), sizes))
    zero.push(...sizes.map(() => prunable.length > 0 && prunable.every((p) => p.zero)))
  }
  op.output(axes, zero)
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1)
}

/** Splits an axis into axes of the given sizes, from the right. */
function splitRun(op: Op, axis: Axis, sizes: readonly number[]): Axis[] {
  const parts: Axis[] = []
  let rest = axis
  for (let k = sizes.length - 1; k > 0; k--) {
    const { outer, inner } = op.split(rest, sizes[k] as number, RESHAPE)
    parts.unshift(inner)
    rest = outer
  }
  return sizes.length > 0 ? [rest, ...parts] : []
}

const squeeze: Rule = (op) => {
  const x = op.input('self')
  const dims = op.ints('dim')?.map((d) => op.dim(d, x.shape.length)) ?? x.shape.map((_, d) => d)
  const kept = x.shape.map((_, d) => d).filter((d) => !(dims.includes(d) && x.shape[d] === 1))
  reorder(op, x, kept)
}

const unsqueeze: Rule = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length + 1)
  op.output(
    [...x.axes.slice(0, at), fixedAxis(1), ...x.axes.slice(at)],
    [...x.zero.slice(0, at), false, ...x.zero.slice(at)],
  )
}

/** A dimension that grows from 1 is the same for every index; it has no parameter to cut. */
const expand: Rule = (op) => {
  const x = op.input('self')
  const shape = op.graph.value(op.allOutputs()[0] ?? -1)?.shape ?? []
  const shift = shape.length - x.shape.length
  const grown = shape.map((size, d) => x.shape[d - shift] !== size)
  op.output(
    shape.map((size, d) => (grown[d] ? fixedAxis(size) : (x.axes[d - shift] as Axis))),
    shape.map((_, d) => !grown[d] && x.zero[d - shift] === true),
  )
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
  const whole = length === size && step === 1
  const cut = whole ? axis : Int32Array.from({ length }, (_, k) => axis[start + k * step] as number)
  op.output(replaced(x.axes, at, cut), x.zero)
}

function replaced(axes: readonly Axis[], at: number, axis: Axis): Axis[] {
  return axes.map((own, d) => (d === at ? axis : own))
}

/** One index is taken, by its number: the axis must keep its numbering. */
const select: Rule = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length)
  op.fix(x.axes[at] as Axis, 'index taken')
  const axes = x.axes.filter((_, d) => d !== at)
  const zero = x.zero.filter((_, d) => d !== at)
  op.allOutputs().forEach((_, k) => {
    op.output(axes, zero, k)
  })
}

/** Padding adds coordinates, so a padded axis must not be cut; the others pass. */
const pad: Rule = (op) => {
  const x = op.input('self')
  const shape = op.graph.value(op.allOutputs()[0] ?? -1)?.shape ?? []
  const kept = x.shape.map((size, d) => size === shape[d])
  x.axes.forEach((axis, d) => {
    if (!kept[d]) op.fix(axis, 'padded axis')
  })
  op.output(
    x.axes.map((axis, d) => (kept[d] ? axis : fixedAxis(shape[d] as number))),
    x.zero.map((zero, d) => kept[d] === true && zero),
  )
}

export const layoutRules: RuleTable = new Map<string, Rule>([
  ['aten::permute', permute],
  ['aten::transpose', transpose],
  ['aten::t', transpose],
  ['aten::view', reshape],
  ['aten::reshape', reshape],
  ['aten::_unsafe_view', reshape],
  ['aten::flatten', reshape],
  ['aten::unflatten', reshape],
  ['aten::squeeze', squeeze],
  ['aten::unsqueeze', unsqueeze],
  ['aten::expand', expand],
  ['aten::expand_as', expand],
  ['aten::cat', cat],
  ['aten::concat', cat],
  ['aten::stack', stack],
  ['aten::split', split],
  ['aten::split_with_sizes', split],
  ['aten::chunk', split],
  ['aten::slice', slice],
  ['aten::narrow', slice],
  ['aten::select', select],
  ['aten::unbind', select],
  ['aten::pad', pad],
  ['aten::constant_pad_nd', pad],
  ['aten::reflection_pad1d', pad],
  ['aten::reflection_pad2d', pad],
  ['aten::replication_pad1d', pad],
  ['aten::replication_pad2d', pad],
])
