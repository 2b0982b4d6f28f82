import { fixedAxis } from '../axes/axes.js'
import type { LengthRule } from '../sizes/lengths.js'
import { first } from './lengths.js'
import { type Family, operators, type Relate } from './operator.js'
import { outputSizes } from './resize.js'

/** A tensor of a given size: its widths follow what it is combined with. */
const filled =
  (zero: (fill: number | undefined) => boolean): Relate =>
  (op) => {
    const shape = op.outputShape()
    const dead = zero(op.number('fill_value'))
    op.output(
      shape.map((size) => op.fresh(size, 0)),
      shape.map(() => dead),
    )
  }

/** Numbers that depend on their place: what they are combined with must keep its numbering. */
const positions: Relate = (op) => {
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
const grid: Relate = (op) => {
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

export const filledLengths: LengthRule = (op) => op.numbers('size')

const FILLED = 'the widths of what it is combined with'
const fill = (zero: (value: number | undefined) => boolean) => ({
  relate: filled(zero),
  lengths: filledLengths,
  resize: outputSizes('size'),
})

export const creations: Family = [
  ...operators(
    'zeros new_zeros',
    FILLED,
    fill(() => true),
  ),
  ...operators(
    'ones new_ones empty new_empty',
    FILLED,
    fill(() => false),
  ),
  ...operators(
    'full new_full',
    FILLED,
    fill((value) => value === 0),
  ),
  ...operators('arange range linspace logspace eye tensor', 'nothing: numbers that depend on their place', {
    relate: positions,
  }),
  ...operators('one_hot', 'nothing: numbers that depend on their place', {
    relate: positions,
    lengths: (op) => [...(first(op)?.lengths ?? []), op.number('num_classes')],
  }),
  ...operators('meshgrid', 'each dimension of its own', { relate: grid }),
]
