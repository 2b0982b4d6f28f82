import type { Axis } from '../axes/axes.js'
import { areAlike } from '../record/alike.js'
import { CHOICE, flat } from '../record/record.js'
import type { Family, Relate } from './operator.js'

/**
 * `self.h = h`: the next run reads what is written now where this one read what was held, so that both have the same axes.
 * An attribute that held something else, or a parameter, tells nothing.
 */
const setAttribute: Relate = (op) => {
  const { record } = op.graph
  const [, written = [], held = []] = op.entry.inputs
  const tensors = [written, held].map((arg) => flat(arg).filter((id) => op.graph.value(id)))
  const [now = [], before = []] = tensors
  const isState = before.length > 0 && before.every((id) => op.graph.value(id)?.role !== 'parameter')
  if (!isState || !areAlike(record, written, held)) {
    // What the first run finds None the next one finds a tensor: its branch for that was never seen.
    const isNone = flat(held).every((id) => record.values[id]?.kind === 'none')
    const kind = isNone ? 'attribute that is None before the first run' : 'attribute that is set'
    for (const id of now) for (const axis of op.graph.tensor(id).axes) op.fix(axis, kind)
    return
  }
  now.forEach((id, k) => {
    const own = op.graph.tensor(before[k] as number)
    op.graph.tensor(id).axes.forEach((axis, d) => {
      op.equate(axis, own.axes[d] as Axis)
    })
  })
}

/** Whichever element of a list the input picks, or how many of them: the same of each is there. */
const choose: Relate = (op) => {
  if (!op.graph.lengths.numbers.isOpenChoice(op.entry)) return
  const ids = flat(op.entry.inputs[0] ?? []).filter((id) => op.graph.value(id))
  const tensors = ids.map((id) => op.graph.tensor(id))
  const [first, ...others] = tensors
  if (!first) return
  if (others.some(({ shape }) => shape.join() !== first.shape.join())) {
    for (const { axes } of tensors) for (const axis of axes) op.fix(axis, 'element that the input chooses')
    return
  }
  for (const { axes } of others) {
    axes.forEach((axis, d) => {
      op.equate(axis, first.axes[d] as Axis)
    })
  }
  const zero = first.axes.map((_, d) => tensors.every((each) => each.zero[d]))
  for (const { id, axes } of tensors) op.graph.set(id, axes, zero)
}

export const states: Family = [
  ['prim::SetAttr', { says: 'what the next run reads has the axes of what this one read', relate: setAttribute }],
  [CHOICE, { says: 'what each element of a list has, where the input chooses one', relate: choose }],
]
