import { type Axis, fixedAxis } from '../axes/axes.js'
import { type Rule, type RuleTable, rules } from './rule.js'

interface Reduction {
  /**
   * Over an axis that can be cut: `sums` are exact where the operand is zero when dead, `averages` are taken over what is
   * kept, anything else keeps the axis as it is.
   */
  kind: 'sums' | 'averages' | 'other'
  /** A reduction of zeros is zero. */
  zero: boolean
}

/** A reduction drops its dimensions, or keeps them with size 1. */
const reduction =
  ({ kind, zero }: Reduction): Rule =>
  (op) => {
    const x = op.input('self')
    const rank = x.shape.length
    const named = op.ints('dim')?.map((d) => op.dim(d, rank))
    const reduced = named === undefined || named.length === 0 ? x.shape.map((_, d) => d) : named
    for (const d of reduced) {
      const axis = x.axes[d] as Axis
      if (kind === 'averages') op.approximate(x, reduced, d, axis)
      else if (kind === 'other' || !x.zero[d]) op.fix(axis, 'reduction over the axis')
    }
    const keepdim = op.flag('keepdim')
    const kept = x.shape.map((_, d) => d).filter((d) => keepdim || !reduced.includes(d))
    op.allOutputs().forEach((_, k) => {
      op.output(
        kept.map((d) => (reduced.includes(d) ? fixedAxis(1) : (x.axes[d] as Axis))),
        kept.map((d) => !reduced.includes(d) && zero && x.zero[d] === true),
        k,
      )
    })
  }

/** `|x|_p` of a finite p > 0 is a root of a sum of powers; the largest and the smallest are no sums. */
const norm: Rule = (op) => {
  const p = op.number('p') ?? op.number('ord') ?? 2
  reduction({ kind: Number.isFinite(p) && p > 0 ? 'sums' : 'other', zero: true })(op)
}

/** `x·y / (|x| |y|)` along `dim`. */
const cosine: Rule = (op) => {
  const [a, b] = [op.input('x1'), op.input('x2')]
  if (a.axes.length !== b.axes.length) return op.freeze('unsupported form')
  const at = op.dim(op.int('dim', 1), a.axes.length)
  a.axes.forEach((axis, d) => {
    const other = b.axes[d] as Axis
    if (other.length === axis.length) op.equate(axis, other)
  })
  if (!a.zero[at] || !b.zero[at]) op.fix(a.axes[at] as Axis, 'sum of values that are not zero when dead')
  const kept = a.axes.map((_, d) => d).filter((d) => d !== at)
  op.output(
    kept.map((d) => ((a.shape[d] as number) > 1 ? a : b).axes[d] as Axis),
    kept.map(() => false),
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

/** Values read off an image at given positions. */
const sampled: Rule = (op) => {
  for (const axis of op.input('grid').axes) op.fix(axis, 'sampling positions')
  windows('beyond channels')(op)
}

export const reductionRules: RuleTable = new Map<string, Rule>([
  ...rules(reduction({ kind: 'sums', zero: true }), 'sum nansum'),
  ...rules(reduction({ kind: 'averages', zero: true }), 'mean var std var_mean std_mean nanmean'),
  ...rules(reduction({ kind: 'other', zero: true }), 'amax amin max min aminmax median prod all any count_nonzero'),
  ...rules(reduction({ kind: 'other', zero: false }), 'logsumexp argmax argmin'),
  ...rules(norm, 'norm linalg_vector_norm frobenius_norm'),
  ...rules(cosine, 'cosine_similarity'),
  ...rules(windows(1), 'max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d max_pool1d_with_indices'),
  ...rules(windows(2), 'max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices'),
  ...rules(windows(3), 'max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d max_pool3d_with_indices'),
  ...rules(
    windows('beyond channels'),
    'upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d ' +
      'upsample_trilinear3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d ' +
      '_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa __interpolate __upsample',
  ),
  ...rules(sampled, 'grid_sampler grid_sampler_2d grid_sampler_3d'),
])
