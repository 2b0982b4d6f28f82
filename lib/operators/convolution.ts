import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { volume } from '../base/numbers.js'
import type { LengthOp, LengthRule } from '../sizes/lengths.js'
import type { Tensor } from './graph.js'
import { lastOf } from './lengths.js'
import type { Op } from './op.js'
import { type CountMacs, type Family, operators, type Relate } from './operator.js'
import { contract } from './products.js'
import { outputShape, type Resize } from './resize.js'

const CONV = { outer: MET.convGroup, inner: 0 } as const

/**
 * Convolution of 1 to 3 dimensions with `groups` g: the input axis is g x in/g, the output axis g x out/g; the weight is
 * [out, in/g, window…], transposed [in, out/g, window…]. Depthwise is g = in.
 */
const convolution =
  (transposed: (op: Op) => boolean): Relate =>
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

const filteredLengths =
  (transposed: (op: LengthOp) => boolean): LengthRule =>
  (op, shape) => {
    const [x, weight] = [op.tensor('input'), op.tensor('weight')]
    if (!x || !weight) return undefined
    const channel = x.sizes.length - weight.sizes.length + 1
    const columns = lastOf(weight, 1)
    const out = transposed(op) ? columns?.scaled(op.int('groups') ?? 1, 1) : lastOf(weight, 0)
    return shape.map((_, d) => (d < channel ? x.lengths[d] : d === channel ? out : undefined))
  }

/** Groups of a convolution: channels read, over channels that each filter reads. */
const groupsLeft: Resize = (cut, op) => {
  const input = cut.position(op, 'groups')
  const id = op.inputs[input]
  const x = cut.tensorId(op, 'input')
  const weight = cut.tensorId(op, 'weight')
  if (typeof id !== 'number' || x === undefined || weight === undefined) return new Set()
  const transposed = op.inputs[cut.position(op, 'transposed')]
  const flag = typeof transposed === 'number' ? cut.analysis.record.values[transposed] : undefined
  const swapped = op.name.startsWith('aten::conv_transpose') || (flag?.kind === 'bool' && flag.value === true)
  const w = cut.widths.shape(weight)
  const channels = swapped ? outputShape(cut, op) : cut.widths.shape(x)
  const channel = channels.length - (w.length - 2) - 1
  const wanted = cut.scalars.before(id) === 1 ? 1 : (channels[channel] ?? 1) / (w[1] ?? 1)
  cut.require(op, { node: op.node, input }, id, wanted)
  return new Set([input])
}

/** Each output is a sum over the window and the input channels of its group. */
const perOutput: CountMacs = ({ shape, output }) => volume(output) * volume(shape('weight').slice(1))

/** Each input is spread over the window and the output channels of its group. */
const perInput: CountMacs = ({ shape }) => volume(shape('input')) * volume(shape('weight').slice(1))

const either: CountMacs = (op) => (op.scalar('transposed') === true ? perInput(op) : perOutput(op))

/** What a convolution is beside how it relates axes; it may be told by a flag which kind it is. */
const kind = (transposed: (op: { flag(name: string): boolean }) => boolean, macs: CountMacs) => ({
  relate: convolution(transposed),
  lengths: filteredLengths(transposed),
  resize: groupsLeft,
  macs,
})
const CHANNELS = 'channels in and out, groups, depthwise'
const plain = kind(() => false, perOutput)
const transposed = kind(() => true, perInput)
const flagged = kind((op) => op.flag('transposed'), either)

export const convolutions: Family = [
  ...operators('conv1d conv2d conv3d _convolution_mode', CHANNELS, { ...plain, sums: 'compensated' }),
  ...operators('_convolution convolution', `${CHANNELS}; transposed or not`, { ...flagged, sums: 'compensated' }),
  ...operators('conv_transpose1d conv_transpose2d conv_transpose3d', CHANNELS, { ...transposed, sums: 'left alone' }),
]
