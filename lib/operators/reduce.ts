import { type Axis, fixedAxis } from '../axes/axes.js'
import type { LengthRule } from '../sizes/lengths.js'
import { ONE } from '../sizes/polynomial.js'
import { at, broadcast, first } from './lengths.js'
import { type Family, operators, type Relate } from './operator.js'
import { called, type Form, filledUp, keptOf, keptValues, share } from './source.js'

interface Reduction {
  /**
   * Over an axis that can be cut: `sums` are exact where the operand is zero when dead, `averages` are with a form of their
   * own, anything else keeps the axis as it is.
   */
  kind: 'sums' | 'averages' | 'other'
  /** A reduction of zeros is zero. */
  zero: boolean
}

/** A reduction drops its dimensions, or keeps them with size 1. */
const reduction =
  ({ kind, zero }: Reduction): Relate =>
  (op) => {
    const x = op.input('self')
    const rank = x.shape.length
    const named = op.ints('dim')?.map((d) => op.dim(d, rank))
    const reduced = named === undefined || named.length === 0 ? x.shape.map((_, d) => d) : named
    const keepdim = op.flag('keepdim')
    if (kind === 'averages') {
      const exact = op.average(x, reduced)
      if (exact && keepdim && op.entry.name === 'aten::mean') op.graph.centred.mean(op.entry, x.id, reduced)
    } else {
      for (const d of reduced) {
        if (kind === 'other' || !x.zero[d]) op.fix(x.axes[d] as Axis, 'reduction over the axis')
      }
    }
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
const norm: Relate = (op) => {
  const p = op.number('p') ?? op.number('ord') ?? 2
  reduction({ kind: Number.isFinite(p) && p > 0 ? 'sums' : 'other', zero: true })(op)
}

/** `x·y / (|x| |y|)` along `dim`. */
const cosine: Relate = (op) => {
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

const reducedLengths: LengthRule = (op, shape, k) => {
  const x = first(op)
  if (!x) return undefined
  if (op.tensor('other')) return broadcast(op, shape, k)
  const rank = x.sizes.length
  const named = op.ints('dim')?.map((d) => at(d, rank))
  const reduced = named === undefined || named.length === 0 ? x.sizes.map((_, d) => d) : named
  if (shape.length === rank) return x.lengths.map((length, d) => (reduced.includes(d) ? ONE : length))
  return x.lengths.filter((_, d) => !reduced.includes(d))
}

const averageOverKept: Form = (op) => ({
  source: `return ${called(op, { self: keptOf(op, 'self') })}`,
  values: keptValues(op),
})

const averageOfAll: Form = (op) => ({ source: `return ${called(op, { self: filledUp(op, 'self') })}`, values: {} })

/** `mean_N = K/N mean_K`. */
const shareOfMean: Form = (op) => ({ source: `return ${called(op, {})} * ${share(op)}`, values: {} })

const reduce = (relate: Relate) => ({ relate, lengths: reducedLengths })

export const reductions: Family = [
  ...operators(
    'sum nansum',
    'an axis that is zero when dead, exactly',
    reduce(reduction({ kind: 'sums', zero: true })),
  ),
  ...operators('mean', 'an axis that is zero when dead, exactly; any other over what is kept', {
    ...reduce(reduction({ kind: 'averages', zero: true })),
    ...{ exact: shareOfMean, overKept: averageOverKept },
  }),
  ...operators(
    'var std var_mean std_mean nanmean',
    'an axis that is zero when dead, exactly; any other over what is kept',
    { ...reduce(reduction({ kind: 'averages', zero: true })), exact: averageOfAll, overKept: averageOverKept },
  ),
  ...operators(
    'amax amin max min aminmax median prod all any count_nonzero',
    'other dimensions; this one stays',
    reduce(reduction({ kind: 'other', zero: true })),
  ),
  ...operators(
    'logsumexp argmax argmin',
    'other dimensions; this one stays',
    reduce(reduction({ kind: 'other', zero: false })),
  ),
  ...operators(
    'norm linalg_vector_norm frobenius_norm',
    'an axis that is zero when dead, exactly, for a finite p',
    reduce(norm),
  ),
  ...operators('cosine_similarity', 'an axis that is zero when dead, exactly', { relate: cosine }),
]
