import { type Axis, fixedAxis } from '../axes/axes.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'

/**
 * The dimension whose slices have a norm each; undefined for one norm of all. What is summed over may be cut where it is
 * zero when dead: zeros add nothing to a norm.
 */
function sliced(op: Op, v: Tensor): number | undefined {
  const dim = op.int('dim', 0)
  const kept = dim < 0 ? undefined : dim
  v.axes.forEach((axis, d) => {
    if (d !== kept && !v.zero[d]) op.fix(axis, 'norm over the axis')
  })
  return kept
}

/**
 * `g v / |v|`. A slice that goes is zero because its scale `g` is; its direction `v` is left alone, as zero has none.
 */
const weightNorm: Relate = (op) => {
  const [v, g] = [op.input('v'), op.input('g')]
  const kept = sliced(op, v)
  if (kept !== undefined) {
    const axis = v.axes[kept] as Axis
    op.equate(axis, g.axes[kept] as Axis)
    op.use(g, kept, 'norm-weight')
    if (v.zero[kept]) op.fix(axis, 'no finite value where it is zero')
  }
  op.output(
    v.axes,
    v.axes.map((_, d) => (d === kept ? g.zero[d] === true : v.zero[d] === true)),
  )
  const [made, norms] = op.allOutputs()
  if (made !== undefined) op.graph.derive(made, v.id, [...v.axes.keys()])
  if (norms !== undefined)
    op.output(
      g.axes,
      g.axes.map(() => false),
      1,
    )
}

const normExceptDim: Relate = (op) => {
  const v = op.input('v')
  const kept = sliced(op, v)
  const shape = op.outputShape()
  op.output(
    shape.map((size, d) => (d === kept ? (v.axes[d] as Axis) : fixedAxis(size))),
    shape.map((_, d) => d === kept && v.zero[d] === true),
  )
}

export const weightNorms: Family = [
  ...operators('_weight_norm _weight_norm_interface', 'rows, by their scale; columns, as what they read is cut', {
    relate: weightNorm,
  }),
  ...operators('norm_except_dim', 'the length of each row of a weight', { relate: normExceptDim }),
]
