import { fixedAxis } from '../axes/axes.js'
import { type Rule, type RuleTable, rules } from './rule.js'

/** A tensor of a given size: its widths follow what it is combined with. */
const filled =
  (zero: (fill: number | undefined) => boolean): Rule =>
  (op) => {
    const shape = op.outputShape()
    const dead = zero(op.number('fill_value'))
    op.output(
      shape.map((size) => op.fresh(size, 0)),
      shape.map(() => dead),
    )
  }

/** Numbers that depend on their place: what they are combined with must keep its numbering. */
const positions: Rule = (op) => {
  for (const t of op.allInputs()) for (const axis of t.axes) op.fix(axis, 'positions')
  op.allOutputs().forEach((_, k) => {
    const shape = op.outputShape(k)
    op.output(
      shape.map((size) => op.pinned(size, 'positions')),
      shape.map(() => false),
      k,
    )
  })
}

/** One dimension each, combined to a grid. */
const grid: Rule = (op) => {
  const axes = op.tensors('tensors').map((t) => t.axes[0] ?? fixedAxis(1))
  const indexing = op.arg('indexing')
  const value = typeof indexing === 'number' ? op.graph.record.values[indexing] : undefined
  const swapped = value?.kind === 'string' && value.value === 'xy' && axes.length > 1
  const order = swapped ? [axes[1], axes[0], ...axes.slice(2)] : axes
  op.allOutputs().forEach((_, k) => {
    op.output(
      order.map((axis) => axis ?? fixedAxis(1)),
      order.map(() => false),
      k,
    )
  })
}

export const createRules: RuleTable = new Map<string, Rule>([
  ...rules(
    filled(() => true),
    'zeros new_zeros',
  ),
  ...rules(
    filled(() => false),
    'ones new_ones empty new_empty',
  ),
  ...rules(
    filled((fill) => fill === 0),
    'full new_full',
  ),
  ...rules(positions, 'arange range linspace logspace eye one_hot tensor'),
  ...rules(grid, 'meshgrid'),
])
