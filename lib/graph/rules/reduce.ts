import { type Axis, fixedAxis } from '../axes.js'
import type { Op } from '../op.js'
import type { Rule, RuleTable } from './rule.js'

/**
 * A reduction drops its axes (or keeps them with size 1). Over a prunable axis only a sum of values that are zero when
 * dead stays exact; anything else fixes the axis.
 */
const reduction =
  (kind: 'sum' | 'mean' | 'other'): Rule =>
  (op) => {
    const x = op.input('self')
    const rank = x.shape.length
    const dims = op.ints('dim')?.map((d) => op.dim(d, rank))
    const reduced = dims === undefined || dims.length === 0 ? x.shape.map((_, d) => d) : dims
    for (const d of reduced) {
      if (kind === 'sum' && x.zero[d]) continue
      op.fix(x.axes[d] as Axis, 'reduction over the axis')
    }
    const preserves = kind === 'other' ? preservesZero(op) : true
    const keepdim = op.flag('keepdim')
    const kept = x.shape.map((_, d) => d).filter((d) => keepdim || !reduced.includes(d))
    op.allOutputs().forEach((_, k) => {
      op.output(
        kept.map((d) => (reduced.includes(d) ? fixedAxis(1) : (x.axes[d] as Axis))),
        kept.map((d) => !reduced.includes(d) && preserves && x.zero[d] === true),
        k,
      )
    })
  }

/** The largest, least or mean of zeros is zero; their exponential sum, index and so on are not. */
function preservesZero(op: Op): boolean {
  return ['aten::max', 'aten::min', 'aten::amax', 'aten::amin', 'aten::norm', 'aten::std', 'aten::var'].includes(
    op.entry.name,
  )
}

/** Pooling and interpolation: the last axes are windows over space, the others pass. */
const windows =
  (spatial: number | 'beyond channels'): Rule =>
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

const names = (rule: Rule, list: string): [string, Rule][] => list.split(' ').map((name) => [`aten::${name}`, rule])

export const reductionRules: RuleTable = new Map<string, Rule>([
  ...names(reduction('sum'), 'sum'),
  ...names(reduction('mean'), 'mean'),
  ...names(reduction('other'), 'amax amin max min'),
  ...names(windows(1), 'max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d'),
  ...names(
    windows(2),
    'max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices lp_pool2d',
  ),
  ...names(windows(3), 'max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d'),
  ...names(
    windows('beyond channels'),
    'upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d ' +
      'upsample_trilinear3d _upsample_nearest_exact2d __interpolate',
  ),
])
