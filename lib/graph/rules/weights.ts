import { type Axis, fixedAxis, mergeAxes } from '../axes.js'
import type { Op, Tensor } from '../op.js'
import { KERNEL, type Rule, type RuleTable } from './rule.js'

const CONV = { outer: 'conv-groups', inner: 'channels' } as const

/**
 * Convolution of 1 to 3 dimensions with `groups` g: the input axis is g x in/g, the output axis g x out/g; the weight is
 * [out, in/g, window…], transposed [in, out/g, window…]. Depthwise is g = in.
 */
const convolution =
  (transposed: (op: Op) => boolean): Rule =>
  (op) => {
    const x = op.input('input')
    const weight = op.input('weight')
    const bias = op.tensor('bias')
    const window = weight.shape.length - 2
    const channel = x.shape.length - window - 1
    if (channel < 0 || channel > 1) return op.freeze('unsupported form')
    for (const axis of x.axes.slice(channel + 1)) op.fix(axis, 'window axis')
    for (const axis of weight.axes.slice(2)) op.fix(axis, KERNEL)

    const groups = op.int('groups', 1)
    const out = transposed(op)
      ? transposedChannels(op, x, channel, weight, groups)
      : plainChannels(op, x, channel, weight, groups)
    if (bias) op.equate(out, bias.axes[0] as Axis)
    const [produced, consumed] = transposed(op) ? [1, 0] : [0, 1]
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

function plainChannels(op: Op, x: Tensor, channel: number, weight: Tensor, groups: number): Axis {
  const [out, columns] = weight.axes as [Axis, Axis]
  if (groups === 1) {
    op.equate(x.axes[channel] as Axis, columns)
    return out
  }
  const read = op.split(x.axes[channel] as Axis, columns.length, CONV)
  const written = op.split(out, out.length / groups, CONV)
  op.equate(read.inner, columns)
  op.equate(read.outer, written.outer)
  return out
}

function transposedChannels(op: Op, x: Tensor, channel: number, weight: Tensor, groups: number): Axis {
  const [rows, columns] = weight.axes as [Axis, Axis]
  op.equate(x.axes[channel] as Axis, rows)
  if (groups === 1) return columns
  const { outer } = op.split(rows, rows.length / groups, CONV)
  return mergeAxes(op.coordinates, [outer, columns])
}

/** `x[…, in] @ weight[out, in]^T + bias[out]`. */
const linear: Rule = (op) => {
  const x = op.input('input')
  const weight = op.input('weight')
  const bias = op.tensor('bias')
  if (weight.shape.length !== 2) return op.freeze('unsupported form')
  const [out, columns] = weight.axes as [Axis, Axis]
  op.equate(x.axes[x.axes.length - 1] as Axis, columns)
  if (bias) op.equate(out, bias.axes[0] as Axis)
  op.use(weight, 0, 'output')
  op.use(weight, 1, 'input')
  op.use(bias, 0, 'bias')
  const batch = x.axes.slice(0, -1)
  op.output([...batch, out], [...x.zero.slice(0, -1), weight.zero[0] === true && (bias?.zero[0] ?? true)])
}

/**
 * Contracts the last axis of `a` with the first or next-to-last of `b`. The sum is exact when either operand is zero where
 * the axis is dead; otherwise the axis cannot be cut.
 */
function contract(op: Op, a: Tensor, b: Tensor, add?: Tensor): void {
  const ka = a.axes.length - 1
  const kb = Math.max(b.axes.length - 2, 0)
  const contracted = a.axes[ka] as Axis
  op.equate(contracted, b.axes[kb] as Axis)
  if (!a.zero[ka] && !b.zero[kb]) op.fix(contracted, 'contraction of values that are not zero when dead')
  op.use(a, ka, 'input')
  op.use(b, kb, 'input')
  if (a.axes.length > 1) op.use(a, ka - 1, 'output')
  if (b.axes.length > 1) op.use(b, kb + 1, 'output')

  const rows = a.axes.length > 1 ? [ka - 1] : []
  const columns = b.axes.length > 1 ? [kb + 1] : []
  const batchRank = Math.max(a.axes.length, b.axes.length) - 2
  const axes: Axis[] = []
  const zero: boolean[] = []
  for (let d = 0; d < batchRank; d++) {
    const sides = [a, b].flatMap((t) => {
      const dim = d - (batchRank - (t.axes.length - 2))
      return dim >= 0 && (t.shape[dim] as number) > 1 ? [{ axis: t.axes[dim] as Axis, zero: t.zero[dim] === true }] : []
    })
    if (sides.length === 2) op.equate(sides[0]?.axis as Axis, sides[1]?.axis as Axis)
    axes.push(sides[0]?.axis ?? fixedAxis(1))
    zero.push(sides.some((s) => s.zero))
  }
  axes.push(...rows.map((d) => a.axes[d] as Axis), ...columns.map((d) => b.axes[d] as Axis))
  zero.push(...rows.map((d) => a.zero[d] === true), ...columns.map((d) => b.zero[d] === true))
  if (add) {
    const shift = axes.length - add.axes.length
    axes.forEach((axis, d) => {
      const own = add.axes[d - shift]
      if (own && own.length === axis.length) op.equate(axis, own)
      zero[d] = zero[d] === true && own?.length === axis.length && add.zero[d - shift] === true
    })
    if (add.axes.length === 1) op.use(add, 0, 'bias')
  }
  op.output(axes, zero)
}

/** Batch, instance or any norm with statistics and affine parameters for each channel (dimension 1). */
const batchNorm: Rule = (op) => {
  const x = op.input('input')
  const channel = x.axes[1]
  if (!channel) return op.freeze('unsupported form')
  const uses = {
    weight: 'norm-weight',
    bias: 'norm-bias',
    running_mean: 'statistic',
    running_var: 'statistic',
  } as const
  for (const [name, use] of Object.entries(uses)) {
    const t = op.tensor(name)
    if (!t) continue
    op.equate(channel, t.axes[0] as Axis)
    op.use(t, 0, use)
  }
  const affine = (op.tensor('weight')?.zero[0] ?? false) && (op.tensor('bias')?.zero[0] ?? false)
  op.output(
    x.axes,
    x.zero.map((z, d) => d === 1 && z !== undefined && affine),
  )
}

const plain = convolution(() => false)
const transposed = convolution(() => true)
const matmul =
  (a: string, b: string, add?: string): Rule =>
  (op) =>
    contract(op, op.input(a), op.input(b), add === undefined ? undefined : op.tensor(add))

export const weightRules: RuleTable = new Map<string, Rule>([
  ['aten::conv1d', plain],
  ['aten::conv2d', plain],
  ['aten::conv3d', plain],
  ['aten::conv_transpose1d', transposed],
  ['aten::conv_transpose2d', transposed],
  ['aten::conv_transpose3d', transposed],
  ['aten::_convolution', convolution((op) => op.flag('transposed'))],
  ['aten::convolution', convolution((op) => op.flag('transposed'))],
  ['aten::linear', linear],
  ['aten::matmul', matmul('self', 'other')],
  ['aten::mm', matmul('self', 'mat2')],
  ['aten::bmm', matmul('self', 'mat2')],
  ['aten::addmm', matmul('mat1', 'mat2', 'self')],
  ['aten::batch_norm', batchNorm],
])
