import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/coordinates.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type Rule, type RuleTable, rules } from './rule.js'

const RESHAPE = { outer: MET.outer, inner: MET.inner } as const

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

/** Two dimensions change places; `t` and `mT` name none. */
const transpose: Rule = (op) => {
  const x = op.input('self')
  const rank = x.shape.length
  const order = x.shape.map((_, d) => d)
  const a = op.dim(op.int('dim0', op.int('axis0', -2)), rank)
  const b = op.dim(op.int('dim1', op.int('axis1', -1)), rank)
  if (rank > 1) [order[a], order[b]] = [b, a]
  reorder(op, x, order)
}

const reverse: Rule = (op) => {
  const x = op.input('self')
  reorder(op, x, x.shape.map((_, d) => d).reverse())
}

/** `movedim(source, destination)`: the others keep their order. */
const move: Rule = (op) => {
  const x = op.input('self')
  const rank = x.shape.length
  const [from, to] = ['source', 'destination'].map((name) => op.ints(name)?.map((d) => op.dim(d, rank)))
  if (!from || !to) return op.freeze('dimensions not constant')
  const others = x.shape.map((_, d) => d).filter((d) => !from.includes(d))
  const order = x.shape.map((_, d) => (to.includes(d) ? (from[to.indexOf(d)] as number) : (others.shift() as number)))
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

/** A dimension that grows from 1 is the same for every index: new coordinates, cut where their consumers are. */
const expand: Rule = (op) => {
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
const repeat: Rule = (op) => {
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
const repeatInterleave: Rule = (op) => {
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

/** `channels x r²` pixels to blocks of r x r pixels. */
const pixelShuffle: Rule = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  const block = op.int('upscale_factor', 1) ** 2
  const { outer, inner } = op.split(x.axes[at] as Axis, block, { outer: 0, inner: 0 })
  op.fix(inner, 'pixels of a block')
  spatial(op, x, at, outer)
}

const pixelUnshuffle: Rule = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  spatial(op, x, at, op.merge(x.axes[at] as Axis, fixedAxis(op.int('downscale_factor', 1) ** 2)))
}

/** New channels at dimension `at`; what follows are pixels. */
function spatial(op: Op, x: Tensor, at: number, channels: Axis): void {
  for (const axis of x.axes.slice(at + 1)) op.fix(axis, 'window axis')
  const rest = op.outputShape().slice(at + 1)
  op.output(
    [...x.axes.slice(0, at), channels, ...rest.map(fixedAxis)],
    [...x.zero.slice(0, at), x.zero[at] === true, ...rest.map(() => false)],
  )
}

/** `groups x n` channels to `n x groups`. */
const channelShuffle: Rule = (op) => {
  const x = op.input('self')
  const channels = x.axes[1] as Axis
  const { outer, inner } = op.split(channels, channels.length / op.int('groups', 1), RESHAPE)
  const shuffled = op.merge(inner, outer)
  op.output(
    x.axes.map((axis, d) => (d === 1 ? shuffled : axis)),
    x.zero,
  )
}

/** `unfold` of images: [N, C, H, W] to [N, C x window, positions]; and back. */
const unfoldImage: Rule = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  for (const axis of x.axes.slice(at + 1)) op.fix(axis, 'window axis')
  const shape = op.outputShape()
  const channels = x.axes[at] as Axis
  const merged = op.merge(channels, fixedAxis((shape[at] as number) / channels.length))
  op.output(
    [...x.axes.slice(0, at), merged, fixedAxis(shape[at + 1] as number)],
    [...x.zero.slice(0, at), x.zero[at] === true, false],
  )
}

const foldImage: Rule = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 2
  op.fix(x.axes[at + 1] as Axis, 'window axis')
  const shape = op.outputShape()
  const rows = x.axes[at] as Axis
  const { outer, inner } = op.split(rows, rows.length / (shape[at] as number), { outer: 0, inner: 0 })
  op.fix(inner, 'window axis')
  op.output(
    [...x.axes.slice(0, at), outer, ...shape.slice(at + 1).map(fixedAxis)],
    [...x.zero.slice(0, at), x.zero[at] === true, false, false],
  )
}

/** `x.unfold(dim, size, step)`: windows over one dimension, which get a dimension of their own at the end. */
const unfold: Rule = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dimension', 0), x.axes.length)
  op.fix(x.axes[at] as Axis, 'window axis')
  const shape = op.outputShape()
  op.output(
    shape.map((size, d) => (d === at || d === x.axes.length ? fixedAxis(size) : (x.axes[d] as Axis))),
    shape.map((_, d) => d !== at && x.zero[d] === true),
  )
}

/** A view with the shape of another tensor keeps that shape when it changes. */
const reshapeAs: Rule = (op) => {
  reshape(op)
  const like = op.input('other')
  const made = op.graph.tensor(op.allOutputs()[0] ?? -1)
  made.axes.forEach((axis, d) => {
    op.equate(axis, like.axes[d] as Axis)
  })
}

export const layoutRules: RuleTable = new Map<string, Rule>([
  ...rules(permute, 'permute'),
  ...rules(transpose, 'transpose t mT swapaxes swapdims adjoint'),
  ...rules(reverse, 'numpy_T'),
  ...rules(move, 'movedim moveaxis'),
  ...rules(reshape, 'view reshape _unsafe_view flatten unflatten ravel'),
  ...rules(reshapeAs, 'view_as reshape_as'),
  ...rules(squeeze, 'squeeze'),
  ...rules(unsqueeze, 'unsqueeze'),
  ...rules(expand, 'expand expand_as broadcast_to'),
  ...rules(repeat, 'repeat tile'),
  ...rules(repeatInterleave, 'repeat_interleave'),
  ...rules(pixelShuffle, 'pixel_shuffle'),
  ...rules(pixelUnshuffle, 'pixel_unshuffle'),
  ...rules(channelShuffle, 'channel_shuffle native_channel_shuffle'),
  ...rules(unfoldImage, 'im2col'),
  ...rules(foldImage, 'col2im'),
  ...rules(unfold, 'unfold'),
])
