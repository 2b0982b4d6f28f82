import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { volume } from '../base/numbers.js'
import { flat } from '../record/record.js'
import type { LengthRule } from '../sizes/lengths.js'
import { ONE, type Polynomial } from '../sizes/polynomial.js'
import type { Tensor } from './graph.js'
import { at, dimension, first, product, sized } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { axesOf, dimOf, outputLengths, outputSizes, type Resize } from './resize.js'

export const RESHAPE = { outer: MET.outer, inner: MET.inner } as const

/**
 * `view` and its kin: dimensions of input and output are taken from the left in runs of equal product; each run is merged
 * into one axis and split again.
 */
const reshape: Relate = (op) => {
  const x = op.tensor('self') ?? op.input('input')
  const shape = op.graph.value(op.allOutputs()[0] ?? -1)?.shape ?? []
  if (shape.includes(0) || x.shape.includes(0)) return op.freeze('empty tensor')
  // `view(dtype)` reads the bytes anew.
  if (volume(shape) !== volume(x.shape)) return op.freeze('unsupported form')
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
    const parts = splitRun(op, op.merge(...run), sizes)
    // A factor that is 1 in the example makes an axis that is as long as another only here.
    const made = op.allOutputs()[0] ?? -1
    const grows = [...lengthsOf(op, x.id, i0, i), ...lengthsOf(op, made, o0, o)].some((n) => n === undefined)
    axes.push(...(grows ? parts.map((axis) => (op.isFixed(axis) ? axis : axis.slice())) : parts))
    zero.push(...sizes.map(() => prunable.length > 0 && prunable.every((p) => p.zero)))
  }
  op.output(axes, zero)
}

/** Those dimensions of 1 from `start` to `end`, with their length for any input: undefined where it is not constant. */
function lengthsOf(op: Op, id: number, start: number, end: number): (number | undefined)[] {
  const shape = op.graph.value(id)?.shape ?? []
  return shape.slice(start, end).flatMap((n, k) => (n === 1 ? [op.graph.lengths.length(id, start + k).value] : []))
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

/** A view with the shape of another tensor keeps that shape when it changes. */
const reshapeAs: Relate = (op) => {
  reshape(op)
  const like = op.input('other')
  const made = op.graph.tensor(op.allOutputs()[0] ?? -1)
  made.axes.forEach((axis, d) => {
    op.equate(axis, like.axes[d] as Axis)
  })
}

/** A dimension that grows from 1 is the same for every index: new coordinates, cut where their consumers are. */
const expand: Relate = (op) => {
  const x = op.input('self')
  const shape = op.outputShape()
  const shift = shape.length - x.shape.length
  const grown = shape.map((size, d) => x.shape[d - shift] !== size)
  const axes = shape.map((size, d) => (grown[d] ? op.fresh(size, MET.outer) : (x.axes[d - shift] as Axis)))
  const like = op.tensor('other')
  if (like) {
    axes.forEach((axis, d) => {
      op.equate(axis, like.axes[d] as Axis)
    })
  }
  op.output(
    axes,
    shape.map((_, d) => !grown[d] && x.zero[d - shift] === true),
  )
}

/** `repeat`, `tile`: copies one after the other; as many as there are, whatever is cut of each. */
const repeat: Relate = (op) => {
  const x = op.input('self')
  const shape = op.outputShape()
  const shift = shape.length - x.shape.length
  const axes = shape.map((size, d) => {
    const own = x.axes[d - shift] ?? fixedAxis(1)
    if (own.length === size) return op.isFixed(own) ? own : own.slice()
    return own.length === 1 ? op.fresh(size, MET.outer) : op.merge(fixedAxis(size / own.length), own)
  })
  op.output(
    axes,
    shape.map((_, d) => x.zero[d - shift] === true && (x.shape[d - shift] ?? 1) > 1),
  )
}

/**
 * Each index several times in a row. Where each has a number of its own (frames for a sound, rows for a graph) the axis stays
 * whole.
 */
const repeatInterleave: Relate = (op) => {
  const counts = op.tensor('repeats')
  if (counts && op.number('repeats') === undefined) return repeatByCounts(op, counts)
  const x = op.input('self')
  const dim = op.number('dim')
  const times = op.number('repeats')
  if (dim === undefined || times === undefined) return op.freeze('unsupported form')
  const at = op.dim(dim, x.shape.length)
  const axis = op.merge(x.axes[at] as Axis, op.varies('repeats') ? fixedAxis(times) : op.fresh(times, MET.outer))
  op.output(
    x.axes.map((own, d) => (d === at ? axis : own)),
    x.zero,
  )
}

function repeatByCounts(op: Op, counts: Tensor): void {
  const x = op.tensor('self')
  const dim = op.number('dim')
  const at = x === undefined ? 0 : op.dim(dim ?? 0, x.axes.length)
  for (const axis of counts.axes) op.fix(axis, 'repeated by counts')
  x?.axes.forEach((axis, d) => {
    if (d === at || dim === undefined) op.fix(axis, 'repeated by counts')
  })
  const axes = op.outputShape().map((size, d) => (d === at ? op.pinned(size, 'repeated by counts') : x?.axes[d]))
  op.output(
    axes.map((axis) => axis as Axis),
    axes.map((_, d) => d !== at && x?.zero[d] === true),
  )
}

const viewLengths =
  (argument: string): LengthRule =>
  (op) => {
    const [x, sizes] = [first(op), op.numbers(argument)]
    return x && sizes && sized(x.lengths, sizes)
  }

const flattenedLengths: LengthRule = (op) => {
  const x = first(op)
  if (!x) return undefined
  const [a, b] = [at(op.int('start_dim') ?? 0, x.sizes.length), at(op.int('end_dim') ?? -1, x.sizes.length)]
  return [...x.lengths.slice(0, a), product(x.lengths.slice(a, b + 1)), ...x.lengths.slice(b + 1)]
}

const unflattenedLengths: LengthRule = (op) => {
  const [x, sizes] = [first(op), op.numbers('sizes')]
  if (!x || !sizes) return undefined
  const d = at(op.int('dim') ?? 0, x.sizes.length)
  return [...x.lengths.slice(0, d), ...sized(x.lengths.slice(d, d + 1), sizes), ...x.lengths.slice(d + 1)]
}

const likeLengths: LengthRule = (op) => op.tensor('other')?.lengths

const expandedLengths: LengthRule = (op, shape) => {
  const [x, sizes] = [first(op), op.numbers('size')]
  if (!x || !sizes) return op.tensor('other')?.lengths
  return sizes.map((size, d) => (size.value === -1 ? x.lengths[d - (shape.length - x.sizes.length)] : size))
}

const repeatedLengths =
  (argument: string): LengthRule =>
  (op, shape) => {
    const [x, times] = [first(op), op.numbers(argument)]
    if (!x || !times) return undefined
    const own = (d: number, rank: number) => d - (shape.length - rank)
    return shape.map((_, d) => (times[own(d, times.length)] ?? ONE).times(x.lengths[own(d, x.sizes.length)] ?? ONE))
  }

const interleavedEqually = dimension((op, x, d) => op.number('repeats')?.times(x.lengths[d] as Polynomial))
/** Counts for each row are data. */
const interleavedLengths: LengthRule = (op, shape, k) => {
  const counts = op.tensor('repeats')
  const same = interleavedEqually(op, shape, k)
  if (!counts || counts.sizes.length === 0) return same
  const d = at(op.int('dim') ?? 0, shape.length)
  return same?.map((length, e) => (e === d ? undefined : length))
}

/** `unflatten(dim, sizes)`: the sizes stand where the dimension was. */
const unflattenSizes: Resize = (cut, op) => {
  const dim = dimOf(cut, op, axesOf(cut, op, 'self')?.length ?? 0)
  return cut.requireList(op, 'sizes', outputLengths(cut, op).slice(dim))
}

/** `repeat(sizes)`: how often each dimension of the output holds that of the input. */
const repeatCounts =
  (argument: string): Resize =>
  (cut, op) => {
    const x = cut.tensorId(op, 'self')
    const times = flat(op.inputs[cut.position(op, argument)] ?? [])
    const lengths = outputLengths(cut, op)
    const shift = lengths.length - (x === undefined ? 0 : cut.widths.shape(x).length)
    const wanted = lengths.slice(lengths.length - times.length).map((length, k) => {
      const d = lengths.length - times.length + k - shift
      // As often as before, but for a dimension of 1 that is stretched to a width.
      const own = x === undefined || d < 0 ? undefined : cut.widths.shape(x)[d]
      return (own ?? 1) === 1 ? length : undefined
    })
    return cut.requireList(op, argument, wanted)
  }

const interleavedCount: Resize = (cut, op) => {
  const x = cut.tensorId(op, 'self')
  const own = x === undefined ? [] : cut.widths.shape(x)
  const dim = dimOf(cut, op, own.length)
  const input = cut.position(op, 'repeats')
  const id = op.inputs[input]
  const length = outputLengths(cut, op)[dim]
  if (typeof id !== 'number' || cut.scalars.before(id) === undefined || !length || own[dim] !== 1) return new Set()
  cut.require(op, { node: op.node, input }, id, length)
  return new Set([input])
}

const SPLIT = 'dimensions merged and taken apart: what is left of each factor'

export const views: Family = [
  ...operators('view', SPLIT, {
    relate: reshape,
    lengths: viewLengths('size'),
    resize: outputSizes('size'),
    view: true,
  }),
  ...operators('_unsafe_view', SPLIT, { relate: reshape, lengths: viewLengths('size'), resize: outputSizes('size') }),
  ...operators('reshape', SPLIT, {
    relate: reshape,
    lengths: viewLengths('shape'),
    resize: outputSizes('shape'),
    view: true,
  }),
  ...operators('flatten', SPLIT, { relate: reshape, lengths: flattenedLengths, view: true }),
  ...operators('unflatten', SPLIT, {
    relate: reshape,
    lengths: unflattenedLengths,
    resize: unflattenSizes,
    view: true,
  }),
  ...operators('ravel', SPLIT, { relate: reshape, lengths: (op) => [product(first(op)?.lengths ?? [])] }),
  ...operators('view_as reshape_as', `${SPLIT}, as another tensor has them`, {
    relate: reshapeAs,
    lengths: likeLengths,
    view: true,
  }),
  ...operators('expand broadcast_to', 'a dimension of 1 made as long as others', {
    ...{ relate: expand, lengths: expandedLengths, resize: outputSizes('size') },
    view: true,
  }),
  ...operators('expand_as', 'a dimension of 1 made as long as others', {
    relate: expand,
    lengths: expandedLengths,
    view: true,
  }),
  ...operators('repeat', 'copies of what is left', {
    relate: repeat,
    lengths: repeatedLengths('repeats'),
    resize: repeatCounts('repeats'),
  }),
  ...operators('tile', 'copies of what is left', {
    relate: repeat,
    lengths: repeatedLengths('dims'),
    resize: repeatCounts('dims'),
  }),
  ...operators('repeat_interleave', 'each index several times; an axis with a count for each index stays', {
    ...{ relate: repeatInterleave, lengths: interleavedLengths, resize: interleavedCount },
  }),
]
