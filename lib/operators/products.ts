import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/coordinates.js'
import type { Tensor } from './graph.js'
import type { Op } from './op.js'
import { drawing } from './random.js'
import { type Rule, type RuleTable, rules } from './rule.js'

/** One dimension of one operand. */
interface Side {
  t: Tensor
  dim: number
}

/** A dimension of a head, whether a reshape has made it or the weights have it of their own. */
const HEAD_DIM = MET.product | MET.inner

const axisOf = ({ t, dim }: Side): Axis => t.axes[dim] as Axis
const zeroOf = ({ t, dim }: Side): boolean => t.zero[dim] === true
const isWide = ({ t, dim }: Side): boolean => (t.shape[dim] as number) > 1

/**
 * Products of tensors, each dimension of which has a letter: letters that the output lacks are contracted, the others pass
 * to it. A contraction is exact when one operand is zero where the axis is dead; otherwise the axis can't be cut.
 *
 * Where two operands are no parameters this is attention: the batch letters are heads, the others dimensions of a head.
 */
function product(op: Op, operands: readonly { t: Tensor; letters: string }[], output: string, add?: Tensor): void {
  const sides = new Map<string, Side[]>()
  for (const { t, letters } of operands) {
    ;[...letters].forEach((letter, dim) => {
      sides.set(letter, [...(sides.get(letter) ?? []), { t, dim }])
    })
  }
  const attention = operands.filter(({ t }) => !op.isParameter(t)).length > 1
  const isBatch = (letter: string, wide: readonly Side[]) => wide.length === operands.length && output.includes(letter)
  const hasHeads = [...sides].some(([letter, all]) => {
    const axis = axisOf(all[0] as Side)
    return !op.isFixed(axis) && (isBatch(letter, all) || op.wasMet(axis, MET.batch))
  })
  const axes = new Map<string, Axis>()
  const zero = new Map<string, boolean>()
  for (const [letter, all] of sides) {
    const wide = all.filter(isWide)
    const [first, ...others] = wide
    axes.set(letter, first ? axisOf(first) : fixedAxis(1))
    zero.set(letter, wide.some(zeroOf))
    if (!first) continue
    for (const side of others) op.equate(axisOf(first), axisOf(side))
    const contracted = !output.includes(letter)
    const everywhere = wide.length === operands.length
    if (contracted && !wide.some(zeroOf)) op.fix(axisOf(first), 'sum of values that are not zero when dead')
    if (attention) {
      op.meet(axisOf(first), isBatch(letter, wide) ? MET.batch : hasHeads ? HEAD_DIM : MET.product)
      if (!contracted) headsAmongRows(op, axisOf(first))
    }
    for (const { t, dim } of wide) {
      if (contracted) op.use(t, dim, 'input')
      else if (!everywhere) op.use(t, dim, 'output')
    }
  }
  const letters = [...output]
  // A letter of the output alone is one that the operator makes.
  const own = letters.map((letter, d) => axes.get(letter) ?? fixedAxis(op.outputShape()[d] as number))
  const zeros = letters.map((letter) => zero.get(letter) === true)
  if (add) {
    const shift = letters.length - add.axes.length
    own.forEach((axis, d) => {
      const other = add.axes[d - shift]
      if (other && other.length === axis.length && axis.length > 1) op.equate(axis, other)
      zeros[d] = zeros[d] === true && other?.length === axis.length && add.zero[d - shift] === true
    })
    if (add.axes.length === 1) op.use(add, 0, 'bias')
  }
  op.output(own, zeros)
}

/** Multi-query attention: all heads have the same keys, and stand with the positions in the rows of the scores. */
function headsAmongRows(op: Op, axis: Axis): void {
  const { coordinates } = op
  for (const c of axis) {
    coordinates.each(c, (leaf) => {
      if ((coordinates.metAs(leaf) & (MET.outer | MET.inner)) === MET.outer) coordinates.meet(leaf, MET.batch)
    })
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** `x[…, a, b] y[…, b, c]`, or a vector on either side; batch dimensions are aligned at their ends. */
function matmul(op: Op, x: Tensor, y: Tensor, add?: Tensor): void {
  const rank = Math.max(x.axes.length, y.axes.length, 2) - 2
  const batch = (t: Tensor) => LETTERS.slice(3 + rank - Math.max(t.axes.length - 2, 0), 3 + rank)
  const [rows, columns] = [x.axes.length > 1 ? 'a' : '', y.axes.length > 1 ? 'c' : '']
  const operands = [
    { t: x, letters: `${batch(x)}${rows}b` },
    { t: y, letters: `${batch(y)}b${columns}` },
  ]
  product(op, operands, LETTERS.slice(3, 3 + rank) + rows + columns, add)
}

const matrices =
  (a: string, b: string, add?: string): Rule =>
  (op) =>
    matmul(op, op.input(a), op.input(b), add === undefined ? undefined : op.tensor(add))

/** `einsum('bhid,bhjd->bhij', a, b)`; an ellipsis stands for the dimensions that are left. */
const einsum: Rule = (op) => {
  const arg = op.arg('equation')
  const value = typeof arg === 'number' ? op.graph.record.values[arg] : undefined
  const tensors = op.tensors('tensors')
  if (value?.kind !== 'string') return op.freeze('unsupported form')
  const [left, given] = String(value.value).replaceAll(' ', '').split('->') as [string, string?]
  const terms = left.split(',')
  if (terms.length !== tensors.length) return op.freeze('unsupported form')
  const spare = [...LETTERS].filter((letter) => !left.includes(letter))
  const hidden = terms.map((term, k) => (tensors[k]?.axes.length ?? 0) - term.replace('...', '').length)
  const most = Math.max(0, ...terms.map((term, k) => (term.includes('...') ? (hidden[k] as number) : 0)))
  const ellipsis = (n: number) => spare.slice(most - n, most).join('')
  const operands = terms.map((term, k) => ({
    t: tensors[k] as Tensor,
    letters: term.replace('...', ellipsis(hidden[k] as number)),
  }))
  const fits = operands.every(
    ({ t, letters }) => letters.length === t.axes.length && new Set(letters).size === letters.length,
  )
  if (!fits) return op.freeze('unsupported form')
  // Without an arrow: the letters that occur once, in order.
  const all = terms.join('').replaceAll('...', '')
  const once = [...new Set(all)].filter((letter) => all.split(letter).length === 2).sort()
  const output = (given ?? `...${once.join('')}`).replace('...', ellipsis(most))
  product(op, operands, output)
}

/**
 * Letters of `_grouped_mm(self, mat2, offs)` by the ranks of its operands, and those that stay whole: rows, columns or terms
 * of a sum go to the groups `g` by number.
 */
const GROUPED: Readonly<Record<string, { terms: [string, string]; output: string; fixed: string }>> = {
  '2,3': { terms: ['mk', 'gkn'], output: 'mn', fixed: 'gm' },
  '3,2': { terms: ['gmk', 'kn'], output: 'mn', fixed: 'gn' },
  '2,2': { terms: ['mk', 'kn'], output: 'gmn', fixed: 'gk' },
  '3,3': { terms: ['gmk', 'gkn'], output: 'gmn', fixed: '' },
}

/** The kernel takes rows of whole blocks of 16 bytes: channels go in such blocks. */
function keepAligned(op: Op, t: Tensor, dim: number): void {
  const axis = t.axes[dim]
  if (!axis || op.isFixed(axis)) return
  const block = op.graph.value(t.id)?.dtype === 'float32' ? 4 : 8
  const whole = axis.length % block === 0 ? op.split(axis, block, { outer: 0, inner: 0 }).inner : axis
  op.fix(whole, 'blocks of 16 bytes')
}

/** One matrix a group: experts, each with the rows that were sent to it. */
const grouped: Rule = (op) => {
  const operands = [op.input('self'), op.input('mat2')] as const
  const form = GROUPED[operands.map((t) => t.axes.length).join()]
  if (!form || op.tensor('bias')) return op.freeze('unsupported form')
  operands.forEach((t, k) => {
    ;[...(form.terms[k] as string)].forEach((letter, d) => {
      if (form.fixed.includes(letter)) op.fix(t.axes[d] as Axis, 'rows by index')
    })
  })
  for (const axis of op.tensor('offs')?.axes ?? []) op.fix(axis, 'rows by index')
  operands.forEach((t, k) => {
    for (const letter of 'kn') keepAligned(op, t, (form.terms[k] as string).indexOf(letter))
  })
  const given = operands.map((t, k) => ({ t, letters: form.terms[k] as string }))
  product(op, given, form.output)
}

/**
 * `softmax(q kᵀ scale + mask) v` with q [… L E], k [… S E], v [… S V]: the positions S are under a softmax; heads are the
 * batch dimension before the positions, of which the keys may have fewer (grouped-query attention).
 */
const attention: Rule = (op) => {
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

export const productRules: RuleTable = new Map<string, Rule>([
  ...rules(matrices('self', 'other'), 'matmul'),
  ...rules(matrices('self', 'mat2'), 'mm bmm'),
  ...rules(matrices('self', 'vec'), 'mv'),
  ...rules(matrices('self', 'tensor'), 'dot'),
  ...rules(matrices('self', 'other'), 'vdot'),
  ...rules(matrices('mat1', 'mat2', 'self'), 'addmm'),
  ...rules(matrices('batch1', 'batch2', 'self'), 'baddbmm'),
  ...rules(matrices('mat', 'vec', 'self'), 'addmv'),
  ...rules(einsum, 'einsum'),
  ...rules(grouped, '_grouped_mm'),
  ...rules(drawing('dropout_p', attention), 'scaled_dot_product_attention'),
])
