import type { Axis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { range } from '../base/numbers.js'
import type { Tensor } from './graph.js'
import { sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { outputLengths, partsLeft, type Resize } from './resize.js'
import {
  type Averaged,
  called,
  type Form,
  filledUp,
  indices,
  keptOf,
  keptValues,
  leftOf,
  picked,
  share,
} from './source.js'

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

/** The affine parameters that there are, a scale among them, are zeroed with the rest. */
function zeroInAffine(op: Op, dim: number): boolean {
  const zero = (t: Tensor | undefined) => t?.zero[dim] === true
  const bias = op.tensor('bias')
  return zero(op.tensor('weight')) && (bias === undefined || zero(bias))
}

/** Layer and RMS norm over the last dimensions. */
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
  // What a norm over what is kept does not give is put back as zeros; a whole row of zeros becomes the bias.
  const exact = op.average(x, dims)
  op.output(
    x.axes,
    x.zero.map((zero, d) => (d >= first ? !exact || zeroInAffine(op, d - first) : zero && !op.tensor('bias'))),
  )
}

/** Channels (dimension 1) = groups x channels in a group. */
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
  op.average(x, [1], [x.axes[0] as Axis, inner])
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
function normOverKept(op: Averaged, own: Readonly<Record<string, string>>): ReturnType<Form> {
  const affine = affineOf(op, (name) => keptOf(op, name, op.dims[0]))
  const results = op.name === 'aten::_fused_rms_norm' ? 'y, rest' : 'y'
  return {
    source: [
      `x = ${keptOf(op, 'input')}`,
      `${results} = ${called(op, { ...affine, ...own, input: 'x' })}`,
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

/** The affine parameters that there are, as a form has them. */
const affineOf = (op: Averaged, as: (name: string) => string): Record<string, string> =>
  Object.fromEntries(['weight', 'bias'].filter(op.isTensor).map((name) => [name, as(name)]))

/** Zeros where something is cut: less work, in one operator, than the sums that would put its statistics right. */
const layerNormOfAll: Form = (op) => {
  const sizes = op.dims.map((dim) => op.cut.find((cut) => cut.dim === dim)?.size ?? `input.size(${dim})`)
  const own = { ...op, rank: op.dims.length, cut: op.cut.map((cut) => ({ ...cut, dim: cut.dim - (op.dims[0] ?? 0) })) }
  const affine = affineOf(op, (name) => filledUp(own, name))
  const y = called(op, { ...affine, input: filledUp(op, 'input'), normalized_shape: `[${sizes.join(', ')}]` })
  return { source: `return ${leftOf(op, y)}`, values: {} }
}

/** `mean_N(x²) + eps = K/N (mean_K(x²) + N/K eps)`: the factor goes into the scale. */
const rmsNormOfAll: Form = (op) => {
  const [part, fused] = [share(op), op.name === 'aten::_fused_rms_norm']
  const eps = op.number('eps') !== undefined
  const scale = op.isTensor('weight') ? { weight: `weight * ${1 / Math.sqrt(part)}` } : {}
  // The eps of a dtype, where none is given, can't be scaled: the input is.
  const given = eps ? { eps: `eps * ${1 / part}` } : { input: `input * ${Math.sqrt(part)}` }
  const y = op.isTensor('weight') ? 'y' : `y * ${1 / Math.sqrt(part)}`
  const rest = eps ? `rest * ${1 / Math.sqrt(part)}` : 'rest'
  return {
    source: `${fused ? 'y, rest' : 'y'} = ${called(op, { ...scale, ...given })}\nreturn ${fused ? `${y}, ${rest}` : y}`,
    values: {},
  }
}

/** Each group filled up with zeros. */
const groupNormOfAll: Form = (op) => {
  const [channel] = op.cut
  const size = (channel?.size ?? 0) / (op.number('num_groups') ?? 1)
  const groups = groupsLeft(op, size)
  const left = (channel?.keep.length ?? 0) / groups
  // The channels of a group are a dimension of their own, behind that of the groups.
  const inGroups = (value: string, dim: number, rank: number) => {
    const cut = [{ dim: dim + 1, size, keep: range(left) }]
    return `torch.flatten(${filledUp({ ...op, rank: rank + 1, cut }, `torch.unflatten(${value}, ${dim}, [${groups}, ${left}])`)}, ${dim}, ${dim + 1})`
  }
  const y = called(op, {
    ...affineOf(op, (name) => inGroups(name, 0, 1)),
    ...{ input: inGroups('input', 1, op.rank), num_groups: String(groups) },
  })
  const narrowed = `torch.narrow(torch.unflatten(${y}, 1, [${groups}, ${size}]), 2, 0, ${left})`
  return { source: `return torch.flatten(${narrowed}, 1, 2)`, values: {} }
}

const groupsLeft = ({ cut: [channel] }: Averaged, size: number): number =>
  new Set(channel?.keep.map((i) => Math.floor(i / size))).size

const lastOverKept: Form = (op) => normOverKept(op, { normalized_shape: `x.size()[-${op.dims.length}:]` })

const groupsOverKept: Form = (op) => {
  const size = (op.cut[0]?.size ?? 0) / (op.number('num_groups') ?? 1)
  return normOverKept(op, { num_groups: String(groupsLeft(op, size)) })
}

const FEATURES = 'features that are zero when dead, exactly; any other: over what is kept of them'

export const norms: Family = [
  ...operators('batch_norm instance_norm', 'channels, exactly; statistics over all else', {
    relate: perChannel,
    lengths: sameLengths,
  }),
  ...operators('layer_norm', FEATURES, {
    ...{ relate: lastDimensions, lengths: sameLengths, resize: normalizedShape },
    ...{ exact: layerNormOfAll, overKept: lastOverKept },
  }),
  ...operators('rms_norm _fused_rms_norm', FEATURES, {
    ...{ relate: lastDimensions, lengths: sameLengths, resize: normalizedShape },
    ...{ exact: rmsNormOfAll, overKept: lastOverKept },
  }),
  ...operators('group_norm', 'whole groups, and channels of a group that are zero when dead, exactly', {
    ...{ relate: groupNorm, lengths: sameLengths, resize: partsLeft('num_groups', 'input') },
    ...{ exact: groupNormOfAll, overKept: groupsOverKept },
  }),
]
