import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/coordinates.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type Rule, type RuleTable, rules } from './rule.js'

const CONV = { outer: MET.convGroup, inner: 0 } as const

/**
 * Convolution of 1 to 3 dimensions with `groups` g: the input axis is g x in/g, the output axis g x out/g; the weight is
 * [out, in/g, window…], transposed [in, out/g, window…]. Depthwise is g = in.
 */
const convolution =
  (transposed: (op: Op) => boolean): Rule =>
  (op) => {
    const x = op.input('input')
    const [produced, consumed] = transposed(op) ? [1, 0] : [0, 1]
    const groups = op.int('groups', 1)
    const filter = op.shape('weight')
    const channel = x.shape.length - filter.length + 1
    if (channel < 0 || channel > 1) return op.freeze('unsupported form')
    const read = x.axes[channel] as Axis
    const slides = Object.fromEntries(filter.slice(2).map((size, k) => [k + 2, op.graph.window(size)]))
    const weight = op.input('weight', groups === 1 || transposed(op) ? { ...slides, [consumed]: read } : slides)
    for (const axis of x.axes.slice(channel + 1)) op.fix(axis, 'window axis')
    contract(op, { t: x, dim: channel }, { t: weight, dim: consumed })

    const out = transposed(op) ? transposedChannels(op, weight, groups) : plainChannels(op, read, weight, groups)
    const bias = op.tensor('bias', { 0: out })
    op.use(weight, produced, 'output')
    op.use(weight, consumed, 'input')
    op.use(bias, 0, 'bias')

    const batch = x.axes.slice(0, channel)
    const zero = weight.zero[produced] === true && (bias?.zero[0] ?? true)
    const windows = (op.graph.value(op.allOutputs()[0] ?? -1)?.shape ?? []).slice(channel + 1)
    op.output(
      [...batch, out, ...windows.map(fixedAxis)],
      [...batch.map(() => false), zero, ...windows.map(() => false)],
    )
  }

/**
 * A sum over channels: columns of a weight are zeroed with their channels. Where they are computed, and not zero then, the
 * channels must be; else the axis can't be cut.
 */
function contract(op: Op, x: { t: Tensor; dim: number }, weight: { t: Tensor; dim: number }): void {
  const columns = weight.t.axes[weight.dim] as Axis
  const exact = x.t.zero[x.dim] === true || weight.t.zero[weight.dim] === true
  if (columns.length > 1 && !exact) op.fix(columns, 'sum of values that are not zero when dead')
}

function plainChannels(op: Op, channels: Axis, weight: Tensor, groups: number): Axis {
  const [out, columns] = weight.axes as [Axis, Axis]
  if (groups === 1) return out
  const read = op.split(channels, columns.length, CONV)
  const written = op.split(out, out.length / groups, CONV)
  op.equate(read.inner, columns)
  op.equate(read.outer, written.outer)
  return out
}

function transposedChannels(op: Op, weight: Tensor, groups: number): Axis {
  const [rows, columns] = weight.axes as [Axis, Axis]
  if (groups === 1) return columns
  const { outer } = op.split(rows, rows.length / groups, CONV)
  return op.merge(outer, columns)
}

/** `x[…, in] @ weight[out, in]^T + bias[out]`. */
const linear: Rule = (op) => {
  const x = op.input('input')
  if (op.shape('weight').length !== 2) return op.freeze('unsupported form')
  const weight = op.input('weight', { 1: x.axes[x.axes.length - 1] as Axis })
  contract(op, { t: x, dim: x.axes.length - 1 }, { t: weight, dim: 1 })
  const out = weight.axes[0] as Axis
  const bias = op.tensor('bias', { 0: out })
  op.use(weight, 0, 'output')
  op.use(weight, 1, 'input')
  op.use(bias, 0, 'bias')
  const batch = x.axes.slice(0, -1)
  op.output([...batch, out], [...x.zero.slice(0, -1), weight.zero[0] === true && (bias?.zero[0] ?? true)])
}

/** `x1[…, in1] weight[out, in1, in2] x2[…, in2] + bias[out]`. */
const bilinear: Rule = (op) => {
  const [a, b] = [op.input('input1'), op.input('input2')]
  const weight = op.input('weight')
  const bias = op.tensor('bias')
  const [out, left, right] = weight.axes as [Axis, Axis, Axis]
  op.equate(a.axes[a.axes.length - 1] as Axis, left)
  op.equate(b.axes[b.axes.length - 1] as Axis, right)
  a.axes.slice(0, -1).forEach((axis, d) => {
    op.equate(axis, b.axes[d] as Axis)
  })
  if (bias) op.equate(out, bias.axes[0] as Axis)
  op.use(weight, 0, 'output')
  op.use(weight, 1, 'input')
  op.use(weight, 2, 'input')
  op.use(bias, 0, 'bias')
  op.output(
    [...a.axes.slice(0, -1), out],
    [...a.axes.slice(0, -1).map(() => false), weight.zero[0] === true && (bias?.zero[0] ?? true)],
  )
}

/** Rows of a table by index: the numbering of the rows is given from outside. */
const embedding: Rule = (op) => {
  const weight = op.input('weight')
  const indices = op.input('indices')
  op.fix(weight.axes[0] as Axis, 'rows by index')
  op.use(weight, 1, 'output')
  op.output([...indices.axes, weight.axes[1] as Axis], [...indices.axes.map(() => false), weight.zero[1] === true])
}

/** Sums, means or maxima of rows of a table; beside them which row went to which bag. */
const embeddingBag: Rule = (op) => {
  const weight = op.input('weight')
  const columns = weight.axes[1] as Axis
  op.fix(weight.axes[0] as Axis, 'rows by index')
  op.use(weight, 1, 'output')
  for (const name of ['indices', 'offsets', 'per_sample_weights']) {
    for (const axis of op.tensor(name)?.axes ?? []) op.fix(axis, 'rows by index')
  }
  op.allOutputs().forEach((_, k) => {
    const shape = op.outputShape(k)
    // The places of the maxima are told for every column.
    const own = shape.map((size, d) => (d === 1 && size === columns.length ? columns : fixedAxis(size)))
    op.output(
      own,
      own.map((_, d) => k === 0 && d === 1 && weight.zero[1] === true),
      k,
    )
  })
}

const plain = convolution(() => false)
const transposed = convolution(() => true)

export const weightRules: RuleTable = new Map<string, Rule>([
  ...rules(plain, 'conv1d conv2d conv3d _convolution_mode'),
  ...rules(transposed, 'conv_transpose1d conv_transpose2d conv_transpose3d'),
  ...rules(
    convolution((op) => op.flag('transposed')),
    '_convolution convolution',
  ),
  ...rules(linear, 'linear'),
  ...rules(bilinear, 'bilinear'),
  ...rules(embedding, 'embedding'),
  ...rules(embeddingBag, 'embedding_bag _embedding_bag _embedding_bag_forward_only'),
])
