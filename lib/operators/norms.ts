import type { Axis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import type { Tensor } from './graph.js'
import { sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { outputLengths, partsLeft, type Resize } from './resize.js'
import { type Averaged, called, indices, keptOf, keptValues, type OverKept, picked } from './source.js'

const AFFINE = { weight: 'norm-weight', bias: 'norm-bias' } as const

const STATISTICS = { running_mean: 'statistic', running_var: 'statistic' } as const

/** Batch norm, instance norm: statistics and affine parameters for each channel (dimension 1). */
const perChannel: Relate = (op) => {
  const x = op.input('input')
  const channel = x.axes[1]
  if (!channel) return op.freeze('unsupported form')
  for (const [name, use] of Object.entries({ ...AFFINE, ...STATISTICS })) {
    op.use(op.tensor(name, { 0: channel }), 0, use)
  }
  // Statistics of what is averaged over must not change; those of a fixed batch and of pixels don't.
  x.axes.forEach((axis, d) => {
    if (d !== 1) op.fix(axis, 'statistics over the axis')
  })
  const zero = zeroInAffine(op, 0) || (op.entry.name === 'aten::instance_norm' && !op.tensor('bias') && x.zero[1])
  op.output(
    x.axes,
    x.axes.map((_, d) => d === 1 && zero === true),
  )
}

/** Both affine parameters are there, and are zeroed with the rest. */
function zeroInAffine(op: Op, dim: number): boolean {
  const zero = (t: Tensor | undefined) => t?.zero[dim] === true
  return zero(op.tensor('weight')) && (op.entry.argNames.includes('bias') ? zero(op.tensor('bias')) : true)
}

/** Layer and RMS norm over the last dimensions: after a cut, over what is kept of them. */
const lastDimensions: Relate = (op) => {
  const x = op.input('input')
  const rank = op.ints('normalized_shape')?.length
  if (rank === undefined) return op.freeze('unsupported form')
  const first = x.axes.length - rank
  const dims = x.axes.map((_, d) => d).slice(first)
  for (const [name, use] of Object.entries(AFFINE)) {
    const t = op.tensor(name, { ...x.axes.slice(first) })
    for (const d of dims) op.use(t, d - first, use)
  }
  for (const d of dims) op.approximate(x, dims, d, x.axes[d] as Axis)
  // What is cut off is put back as zeros in the masked model; a whole row of zeros becomes the bias.
  op.output(
    x.axes,
    x.zero.map((zero, d) => d >= first || (zero && !op.tensor('bias'))),
  )
}

/** Channels (dimension 1) = groups x channels in a group. Whole groups go exactly; within one, over what is kept. */
const groupNorm: Relate = (op) => {
  const x = op.input('input')
  const channel = x.axes[1]
  const groups = op.number('num_groups')
  if (!channel || groups === undefined) return op.freeze('unsupported form')
  for (const [name, use] of Object.entries(AFFINE)) {
    op.use(op.tensor(name, { 0: channel }), 0, use)
  }
  x.axes.forEach((axis, d) => {
    if (d > 1) op.fix(axis, 'statistics over the axis')
  })
  const { inner } = op.split(channel, channel.length / groups, { outer: MET.convGroup, inner: 0 })
  op.approximate(x, [1], 1, inner)
  op.output(
    x.axes,
    x.axes.map((_, d) => d === 1 && zeroInAffine(op, 0)),
  )
}

/** `normalized_shape`: the last dimensions of the input. */
const normalizedShape: Resize = (cut, op) => {
  const input = op.inputs[cut.position(op, 'normalized_shape')]
  const rank = typeof input === 'object' ? input.length : 0
  return cut.requireList(op, 'normalized_shape', outputLengths(cut, op).slice(-rank))
}

/** Affine parameters have the dimensions from the first normalized one on; those of a group norm the channel alone. */
function normOverKept(op: Averaged, own: Readonly<Record<string, string>>): ReturnType<OverKept> {
  const affine = ['weight', 'bias'].filter(op.isTensor).map((name) => [name, keptOf(op, name, op.dims[0])])
  const results = op.name === 'aten::_fused_rms_norm' ? 'y, rest' : 'y'
  return {
    source: [
      `x = ${keptOf(op, 'input')}`,
      `${results} = ${called(op, { ...Object.fromEntries(affine), ...own, input: 'x' })}`,
      ...op.cut.map(({ dim }) => {
        const zeros = `torch.zeros_like(torch.narrow(y, ${dim}, 0, 1))`
        return `y = ${picked(`torch.cat([y, ${zeros}], ${dim})`, dim, `from_${dim}`)}`
      }),
      `return ${results}`,
    ].join('\n'),
    values: {
      ...keptValues(op),
      // Every coordinate that is gone reads the zeros behind the kept ones.
      ...Object.fromEntries(op.cut.map(({ dim, size, keep }) => [`from_${dim}`, indices(placesIn(keep, size))])),
    },
  }
}

function placesIn(keep: readonly number[], size: number): number[] {
  const places: number[] = new Array(size).fill(keep.length)
  keep.forEach((i, k) => {
    places[i] = k
  })
  return places
}

const lastOverKept: OverKept = (op) => normOverKept(op, { normalized_shape: `x.size()[-${op.dims.length}:]` })

const groupsOverKept: OverKept = (op) => {
  const [channel] = op.cut
  const size = (channel?.size ?? 0) / (op.number('num_groups') ?? 1)
  const left = new Set(channel?.keep.map((i) => Math.floor(i / size))).size
  return normOverKept(op, { num_groups: String(left) })
}

export const norms: Family = [
  ...operators('batch_norm instance_norm', 'channels, exactly; statistics over all else', {
    relate: perChannel,
    lengths: sameLengths,
  }),
  ...operators('layer_norm rms_norm _fused_rms_norm', 'features: after a cut over what is kept of them', {
    ...{ relate: lastDimensions, lengths: sameLengths, resize: normalizedShape, overKept: lastOverKept },
  }),
  ...operators('group_norm', 'whole groups, exactly; channels of a group: over what is kept of them', {
    ...{ relate: groupNorm, lengths: sameLengths, resize: partsLeft('num_groups', 'input'), overKept: groupsOverKept },
  }),
]
