import { type Axis, fixedAxis } from '../axes/axes.js'
import type { UnitAxis } from '../axes/units.js'
import { volume } from '../base/numbers.js'
import { flat } from '../record/record.js'
import type { LengthRule } from '../sizes/lengths.js'
import type { Tensor } from './graph.js'
import { aligned, dimension, first, sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { keepWhole, replaced } from './parts.js'
import { axesOf, dimOf, kept, type Resize, renumbered, shrinks } from './resize.js'
import { indices, picked } from './source.js'

/** The indices of `axis` in another order, or some of them. */
function pick(axis: Axis, indices: readonly number[]): Axis {
  return Int32Array.from(indices, (i) => axis[i < 0 ? i + axis.length : i] as number)
}

/** Elements of a constant or buffer of integers; undefined when they are not known. */
function known(op: Op, t: Tensor): readonly number[] | undefined {
  const value = op.graph.value(t.id)
  return value?.dtype === 'bool' ? undefined : value?.data
}

const indexSelect: Relate = (op) => {
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
  return fixedAxis(volume(index.shape))
}

/** `x[:, index]`: index tensors in some dimensions, which are fixed; one alone may be a known selection. */
const index: Relate = (op) => {
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
const gather: Relate = (op) => {
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
  (order: (size: number, shift: number) => number[]): Relate =>
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

/** Triangles and diagonals go by the numbers of the last two dimensions; scans and sorts by those of one. */
const over =
  (dims: (op: Op, x: Tensor) => readonly number[], kind: string, zeroStays = false): Relate =>
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

/** `x[:, index]`: what the index tensors are broadcast to stands where the first of them does. */
const indexedLengths: LengthRule = (op, shape) => {
  const x = first(op)
  const given = op.entries('indices')
  const dims = given.flatMap((t, d) => (t ? [d] : []))
  if (!x || dims.length === 0 || given.some((t) => t?.isMask)) return undefined
  const rest = x.lengths.filter((_, d) => !dims.includes(d))
  const own = aligned(
    given.flatMap((t) => (t ? [t] : [])),
    shape.length - rest.length,
  )
  const place = dims.every((d, k) => d === (dims[0] as number) + k) ? (dims[0] as number) : 0
  return [...rest.slice(0, place), ...own, ...rest.slice(place)]
}

/** A known selection of indices, where some of them are gone. */
const selectionLeft: Resize = (cut, op) => {
  const axes = axesOf(cut, op, 'self')
  const arg = op.inputs[cut.position(op, op.name === 'aten::index' ? 'indices' : 'index')]
  const ids = typeof arg === 'number' ? [arg] : flat(arg ?? [])
  ids.forEach((id, place) => {
    const value = cut.analysis.record.values[id]
    if (!axes || value?.kind !== 'tensor' || !value.data) return
    const dim = op.name === 'aten::index' ? place : dimOf(cut, op, axes.length)
    const axis = axes[dim] as UnitAxis
    if (!shrinks(cut, axis)) return
    const left = renumbered(
      cut,
      axis,
      value.data.map((i) => (i < 0 ? i + axis.size : i)),
    )
    cut.rewrite(op, `return ${picked('self', dim, 'left')}`, { left: indices(left) })
  })
  return new Set()
}

/** `roll` by `shift`: what is left of the last `shift` indices comes first. */
const shiftsLeft: Resize = (cut, op) => {
  const axes = axesOf(cut, op, 'self')
  const dims = op.inputs[cut.position(op, 'dims')]
  const now = op.inputs[cut.position(op, 'shifts')]
  if (!axes || typeof dims !== 'object' || typeof now !== 'object') return new Set()
  const wanted = dims.map((id, k) => {
    const dim = typeof id === 'number' ? (cut.scalars.before(id) ?? 0) : 0
    const axis = axes[dim < 0 ? dim + axes.length : dim] as UnitAxis
    const own = now[k]
    const shift = typeof own === 'number' ? cut.scalars.before(own) : undefined
    if (shift === undefined || !shrinks(cut, axis)) return undefined
    const by = ((shift % axis.size) + axis.size) % axis.size
    return kept(cut, axis, axis.size - by, axis.size)
  })
  return cut.requireList(op, 'shifts', wanted)
}

export const picks: Family = [
  ...operators('index_select', 'a known selection, renumbered; an axis that is read by index stays', {
    relate: indexSelect,
    lengths: dimension((op) => op.tensor('index')?.lengths[0]),
    resize: selectionLeft,
  }),
  ...operators('index', 'a known selection, renumbered; an axis that is read by index stays', {
    ...{ relate: index, lengths: indexedLengths, resize: selectionLeft },
  }),
  ...operators('gather', 'other dimensions; this one stays', {
    relate: gather,
    lengths: (op) => op.tensor('index')?.lengths,
  }),
  ...operators('roll', 'what is left, in its new order', {
    relate: reordered(rolled),
    lengths: sameLengths,
    resize: shiftsLeft,
  }),
  ...operators('flip', 'what is left, in its new order', { relate: reordered(flipped), lengths: sameLengths }),
  ...operators('triu tril', 'other dimensions; these two stay', {
    relate: over(lastTwo, 'triangle'),
    lengths: sameLengths,
  }),
  ...operators('cumsum', 'other dimensions; this one stays', {
    relate: over(named, 'scan over the axis', true),
    lengths: sameLengths,
  }),
  ...operators('cumprod sort argsort', 'other dimensions; this one stays', {
    ...{ relate: over(named, 'scan over the axis'), lengths: sameLengths },
  }),
  ...operators('diff', 'other dimensions; this one stays', { relate: over(named, 'scan over the axis') }),
  ...operators('topk', 'other dimensions; this one stays', {
    relate: over(named, 'scan over the axis'),
    lengths: dimension((op) => op.number('k'), -1),
  }),
  ...operators('softmax log_softmax softmin _softmax _log_softmax', 'other dimensions; this one stays', {
    ...{ relate: over(named, 'softmax over the axis'), lengths: sameLengths },
  }),
]
