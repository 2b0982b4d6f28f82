import type { Axis } from '../axes/axes.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'

interface Form {
  /** Parameters for each index of one dimension; that dimension, by the argument that names it. */
  axis?: string
  /** The operator itself brings the zero point into range. */
  clamps?: boolean
}

/**
 * `(clamp(round(x / scale) + zero_point, min, max) - zero_point) * scale`. Zero stays zero where the zero point is in range:
 * where it is not known to be, nothing is zero when dead any more.
 */
const quantize =
  ({ axis, clamps = false }: Form): Relate =>
  (op) => {
    const x = op.input('self')
    const at = axis === undefined ? undefined : op.dim(op.int(axis, 0), x.axes.length)
    if (at !== undefined) perChannel(op, x, at)
    const stays = clamps || zeroInRange(op)
    op.allOutputs().forEach((_, k) => {
      // The second output is the mask of what was not clamped: true for zero.
      const zero = x.zero.map((dead) => k === 0 && dead && stays)
      op.output(x.axes, zero, k)
    })
    same(op, x)
  }

/** A weight stays that weight: its dimensions are used as what is made of it is. */
function same(op: Op, x: Tensor): void {
  const [made] = op.allOutputs()
  if (made !== undefined) {
    op.graph.derive(
      made,
      x.id,
      x.axes.map((_, d) => d),
    )
  }
}

/** What is one number for each index of dimension `at`. */
const PER_CHANNEL = ['scale', 'zero_point', 'running_min', 'running_max']

function perChannel(op: Op, x: Tensor, at: number): void {
  const axis = x.axes[at] as Axis
  for (const name of PER_CHANNEL) {
    const t = op.tensor(name)
    if (t?.axes[0]?.length !== axis.length) continue
    op.equate(axis, t.axes[0])
    op.use(t, 0, 'statistic')
    // A learned scale is masked with its channel: zero over zero.
    if (name === 'scale' && t.zero[0]) op.fix(axis, 'no finite value where it is zero')
  }
}

function zeroInRange(op: Op): boolean {
  const [least, most] = [op.number('quant_min'), op.number('quant_max')]
  if (least === undefined || most === undefined) return false
  const id = op.arg('zero_point')
  const value = typeof id === 'number' ? op.graph.record.values[id] : undefined
  const points = value?.kind === 'tensor' ? value.data : typeof value?.value === 'number' ? [value.value] : undefined
  return points?.every((point) => least <= point && point <= most) === true
}

/**
 * With its observer off this is a plain fake quantization. With it on, the smallest and the largest number of the tensor, or
 * of each row, decide: what they are taken over stays whole.
 */
const observed: Relate = (op) => {
  const perRow = op.flag('per_row_fake_quant')
  if (op.number('observer_on') === 0) return quantize(perRow ? { axis: 'ch_axis' } : {})(op)
  const x = op.input('self')
  const at = perRow ? op.dim(op.int('ch_axis', 0), x.axes.length) : undefined
  if (at !== undefined) perChannel(op, x, at)
  x.axes.forEach((axis, d) => {
    if (d !== at) op.fix(axis, 'observer over the axis')
  })
  // The zero point that is computed is one in range: the observed range is widened to hold zero.
  op.allOutputs().forEach((_, k) => {
    op.output(
      x.axes,
      x.zero.map((zero, d) => k === 0 && zero && d === at),
      k,
    )
  })
  same(op, x)
}

const ROUNDED = 'element by element; zero stays zero where the zero point is in range'
const PER = `${ROUNDED}; scales and zero points are cut with their channels`

/** Quantization that training pretends: numbers are rounded to those that an integer stands for. */
export const quantizations: Family = [
  ...operators(
    'fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask ' +
      '_fake_quantize_per_tensor_affine_cachemask_tensor_qparams',
    ROUNDED,
    { relate: quantize({}) },
  ),
  ...operators('fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask', PER, {
    relate: quantize({ axis: 'axis' }),
  }),
  ...operators('_fake_quantize_learnable_per_tensor_affine', ROUNDED, { relate: quantize({ clamps: true }) }),
  ...operators('_fake_quantize_learnable_per_channel_affine', PER, {
    relate: quantize({ axis: 'axis', clamps: true }),
  }),
  ...operators('fused_moving_avg_obs_fake_quant _fused_moving_avg_obs_fq_helper', PER, { relate: observed }),
]
