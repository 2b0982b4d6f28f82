import { type Axis, fixedAxis } from '../axes/axes.js'
import type { LengthRule, Sized } from '../sizes/lengths.js'
import { first } from './lengths.js'
import { type Family, operators, type Relate } from './operator.js'

/** Pooling and interpolation: the last axes are windows over space, the others pass. */
const windows =
  (spatial: number | 'beyond channels'): Relate =>
  (op) => {
    const x = op.tensor('self') ?? op.input('input')
    const passing = x.shape.length - (spatial === 'beyond channels' ? x.shape.length - 2 : spatial)
    if (passing < 1) return op.freeze('unsupported form')
    for (const axis of x.axes.slice(passing)) op.fix(axis, 'window axis')
    op.allOutputs().forEach((id, k) => {
      const shape = op.graph.value(id)?.shape ?? []
      op.output(
        shape.map((size, d) => (d < passing ? (x.axes[d] as Axis) : fixedAxis(size))),
        shape.map((_, d) => d < passing && x.zero[d] === true),
        k,
      )
    })
  }

/** Values read off an image at given positions. */
const sampled: Relate = (op) => {
  for (const axis of op.input('grid').axes) op.fix(axis, 'sampling positions')
  windows('beyond channels')(op)
}

/** Windows over the last dimensions; an adaptive one, and interpolation, is told how many it gives. */
export const windowLengths =
  (spatial: (x: Sized) => number): LengthRule =>
  (op, shape) => {
    const x = first(op)
    if (!x) return undefined
    const kept = x.sizes.length - spatial(x)
    const told = op.entry.name.startsWith('aten::adaptive') ? op.numbers('output_size') : undefined
    return shape.map((_, d) => (d < kept ? x.lengths[d] : told?.[d - kept]))
  }

const CHANNELS = 'channels; space stays'
const pooled = (dims: number) => ({ relate: windows(dims), lengths: windowLengths(() => dims) })
const beyondChannels = windowLengths(({ sizes }) => sizes.length - 2)

/** Pooling, interpolation, sampling. */
export const spaces: Family = [
  ...operators(
    'max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d max_pool1d_with_indices',
    CHANNELS,
    pooled(1),
  ),
  ...operators(
    'max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices',
    CHANNELS,
    pooled(2),
  ),
  ...operators(
    'max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d max_pool3d_with_indices',
    CHANNELS,
    pooled(3),
  ),
  ...operators(
    'upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d ' +
      'upsample_trilinear3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d ' +
      '_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa __interpolate __upsample',
    CHANNELS,
    { relate: windows('beyond channels'), lengths: beyondChannels },
  ),
  ...operators('grid_sampler grid_sampler_2d grid_sampler_3d', CHANNELS, { relate: sampled, lengths: beyondChannels }),
]
