import type { Axis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { volume } from '../base/numbers.js'
import type { LengthRule } from '../sizes/lengths.js'
import type { Tensor } from './graph.js'
import { aligned } from './lengths.js'
import { type CountMacs, type Family, operators, type Relate } from './operator.js'
import { axisOf, isWide, type Side, zeroOf } from './products.js'
import { drawing } from './random.js'
import { axesOf, type Resize, shrinks } from './resize.js'

/**
 * `softmax(q kᵀ scale + mask) v` with q [… L E], k [… S E], v [… S V]: the positions S are under a softmax; heads are the
 * batch dimension before the positions, of which the keys may have fewer (grouped-query attention).
 */
const attention: Relate = (op) => {
  const [q, k, v] = [op.input('query'), op.input('key'), op.input('value')]
  const mask = op.tensor('attn_mask')
  const rank = q.axes.length
  if (rank < 2 || k.axes.length !== rank || v.axes.length !== rank) return op.freeze('unsupported form')
  const at = (t: Tensor, back: number): Side => ({ t, dim: t.axes.length - back })
  const width = axisOf(at(q, 1))
  op.equate(width, axisOf(at(k, 1)))
  if (!zeroOf(at(q, 1)) && !zeroOf(at(k, 1))) op.fix(width, 'sum of values that are not zero when dead')
  op.equate(axisOf(at(k, 2)), axisOf(at(v, 2)))
  op.fix(axisOf(at(k, 2)), 'softmax over the axis')
  op.meet(width, MET.product)
  op.meet(axisOf(at(v, 1)), MET.product)

  const batch = q.axes.slice(0, -2).map((axis, d) => {
    const own = [q, k, v].map((t) => ({ t, dim: d })).filter(isWide)
    const groups = axis.length / (k.axes[d] as Axis).length
    if (op.flag('enable_gqa') && d === rank - 3 && groups > 1) {
      // Every key head serves as many query heads, in order.
      const { outer } = op.split(axis, groups, { outer: MET.outer, inner: MET.outer })
      op.equate(outer, k.axes[d] as Axis)
      op.equate(outer, v.axes[d] as Axis)
    } else for (const side of own.slice(1)) op.equate(axisOf(own[0] as Side), axisOf(side))
    const made = own[0] ? axisOf(own[0]) : axis
    op.meet(made, MET.batch)
    return made
  })
  if (mask) {
    const scores = [...batch, axisOf(at(q, 2)), axisOf(at(k, 2))]
    const shift = scores.length - mask.axes.length
    mask.axes.forEach((axis, d) => {
      const own = scores[d + shift]
      if (own && axis.length > 1 && own.length === axis.length) op.equate(own, axis)
    })
  }
  const zero = batch.map((_, d) => v.zero[d] === true && (v.shape[d] as number) > 1)
  op.output([...batch, axisOf(at(q, 2)), axisOf(at(v, 1))], [...zero, false, zeroOf(at(v, 1))])
}

const attentionLengths: LengthRule = (op, shape) => {
  const [q, k, v] = ['query', 'key', 'value'].map((name) => op.tensor(name))
  if (!q || !k || !v) return undefined
  const batch = [q, k, v].map((t) => ({ sizes: t.sizes.slice(0, -2), lengths: t.lengths.slice(0, -2) }))
  return [
    ...aligned(op.flag('enable_gqa') ? batch.slice(0, 1) : batch, shape.length - 2),
    q.lengths.at(-2),
    v.lengths.at(-1),
  ]
}

/** Attention scales by the width of a head; it goes on with the one that it was trained with. */
const attentionScale: Resize = (cut, op) => {
  const input = cut.position(op, 'scale')
  const id = op.inputs[input]
  const axis = axesOf(cut, op, 'query')?.at(-1)
  if (typeof id === 'number' && axis && shrinks(cut, axis)) {
    const given = cut.scalars.before(id)
    if (given === undefined) cut.constant(op, { node: op.node, input }, 1 / Math.sqrt(axis.size))
  }
  return new Set()
}

/** `q kᵀ` and the product with `v`, for every head. */
const attentionMacs: CountMacs = ({ shape }) => {
  const [q, k, v] = [shape('query'), shape('key'), shape('value')]
  return volume(q.slice(0, -1)) * (k.at(-2) ?? 1) * ((q.at(-1) ?? 0) + (v.at(-1) ?? 0))
}

export const attentions: Family = operators(
  'scaled_dot_product_attention',
  'heads, also grouped ones, and their dimensions; positions stay; all of it where it drops out at random',
  { relate: drawing('dropout_p', attention), lengths: attentionLengths, resize: attentionScale, macs: attentionMacs },
)
