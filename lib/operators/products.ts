import { type Axis, fixedAxis } from '../axes/axes.js'
import { MET } from '../axes/met.js'
import { volume } from '../base/numbers.js'
import type { LengthRule, Sized } from '../sizes/lengths.js'
import type { Tensor } from './graph.js'
import { aligned, lastOf, leading, shared } from './lengths.js'
import type { Op } from './op.js'
import { type CountMacs, type Family, operators, type Relate } from './operator.js'

/** One dimension of one operand. */
export interface Side {
  t: Tensor
  dim: number
}

/** A dimension of a head, whether a reshape has made it or the weights have it of their own. */
const HEAD_DIM = MET.product | MET.inner

export const axisOf = ({ t, dim }: Side): Axis => t.axes[dim] as Axis

export const zeroOf = ({ t, dim }: Side): boolean => t.zero[dim] === true

export const isWide = ({ t, dim }: Side): boolean => (t.shape[dim] as number) > 1

/**
 * Products of tensors, each dimension of which has a letter: letters that the output lacks are contracted, the others pass
 * to it. A contraction is exact when one operand is zero where the axis is dead; otherwise the axis can't be cut.
 *
 * Where two operands are no parameters this is attention: the batch letters are heads, the others dimensions of a head.
 */
function multiply(op: Op, operands: readonly { t: Tensor; letters: string }[], output: string, add?: Tensor): void {
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
  multiply(op, operands, LETTERS.slice(3, 3 + rank) + rows + columns, add)
}

const matrices =
  (a: string, b: string, add?: string): Relate =>
  (op) =>
    matmul(op, op.input(a), op.input(b), add === undefined ? undefined : op.tensor(add))

/** `einsum('bhid,bhjd->bhij', a, b)`; an ellipsis stands for the dimensions that are left. */
const einsum: Relate = (op) => {
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
  multiply(op, operands, output)
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
const grouped: Relate = (op) => {
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
  multiply(op, given, form.output)
}

/**
 * A sum over channels: columns of a weight are zeroed with their channels. Where they are computed, and not zero then, the
 * channels must be; else the axis can't be cut.
 */
export function contract(op: Op, x: { t: Tensor; dim: number }, weight: { t: Tensor; dim: number }): void {
  const columns = weight.t.axes[weight.dim] as Axis
  const exact = x.t.zero[x.dim] === true || weight.t.zero[weight.dim] === true
  if (columns.length > 1 && !exact) op.fix(columns, 'sum of values that are not zero when dead')
}

/** `x[…, in] @ weight[out, in]^T + bias[out]`. */
const linear: Relate = (op) => {
  const x = op.input('input')
  if (op.shape('weight').length !== 2) return op.freeze('unsupported form')
  const weight = op.input('weight', { 1: x.axes[x.axes.length - 1] as Axis })
  contract(op, { t: x, dim: x.axes.length - 1 }, { t: weight, dim: 1 })
  const out = weight.axes[0] as Axis
  const bias = op.tensor('bias', { 0: out })
  op.use(weight, 0, 'output')
  op.use(weight, 1, 'input')
  op.use(bias, 0, 'bias')
  const batch = x.axes.slice(0, -1)
  op.output([...batch, out], [...x.zero.slice(0, -1), weight.zero[0] === true && (bias?.zero[0] ?? true)])
}

/** `x1[…, in1] weight[out, in1, in2] x2[…, in2] + bias[out]`. */
const bilinear: Relate = (op) => {
  const [a, b] = [op.input('input1'), op.input('input2')]
  const weight = op.input('weight')
  const bias = op.tensor('bias')
  const [out, left, right] = weight.axes as [Axis, Axis, Axis]
  op.equate(a.axes[a.axes.length - 1] as Axis, left)
  op.equate(b.axes[b.axes.length - 1] as Axis, right)
  a.axes.slice(0, -1).forEach((axis, d) => {
    op.equate(axis, b.axes[d] as Axis)
  })
  if (bias) op.equate(out, bias.axes[0] as Axis)
  op.use(weight, 0, 'output')
  op.use(weight, 1, 'input')
  op.use(weight, 2, 'input')
  op.use(bias, 0, 'bias')
  op.output(
    [...a.axes.slice(0, -1), out],
    [...a.axes.slice(0, -1).map(() => false), weight.zero[0] === true && (bias?.zero[0] ?? true)],
  )
}

const matmulLengths =
  (a: string, b: string): LengthRule =>
  (op, shape) => {
    const [x, y] = [op.tensor(a), op.tensor(b)]
    if (!x || !y) return undefined
    const batch = (t: Sized) => ({ sizes: t.sizes.slice(0, -2), lengths: t.lengths.slice(0, -2) })
    const own = [...(x.sizes.length > 1 ? [x.lengths.at(-2)] : []), ...(y.sizes.length > 1 ? [y.lengths.at(-1)] : [])]
    return [...aligned([batch(x), batch(y)], shape.length - own.length), ...own]
  }

const einsumLengths: LengthRule = (op) => {
  const [left, right] = (op.text('equation') ?? '').replaceAll(' ', '').split('->') as [string, string?]
  const tensors = op.tensors('tensors')
  const terms = left.split(',')
  if (right === undefined || left.includes('.') || terms.length !== tensors.length) return undefined
  return [...right].map((letter) =>
    shared(
      terms.flatMap((term, k) => {
        const d = term.indexOf(letter)
        const length = tensors[k]?.lengths[d]
        return length ? [{ size: 0, length }] : []
      }),
    ),
  )
}

const contraction =
  (a: string): CountMacs =>
  ({ shape, output }) =>
    volume(output) * (shape(a).at(-1) ?? 1)

/** Every term of every sum: where the sums are shared out to groups, each term is in one of them. */
const groupedMacs: CountMacs = ({ shape, output }) => {
  const [a, b] = [shape('self'), shape('mat2')]
  return volume(output) * (a.at(-1) ?? 1) * (a.length === 2 && b.length === 2 ? 1 / (output[0] ?? 1) : 1)
}

/** Operands one after the other from the left; each product runs over all letters of its two operands. */
const einsumMacs: CountMacs = ({ shapes, scalar }) => {
  const [left = '', right = ''] = String(scalar('equation')).replaceAll(' ', '').split('->')
  const terms = left.split(',')
  const sizes = new Map<string, number>()
  const named = shapes('tensors').map((shape, k) => {
    const term = terms[k] ?? ''
    const spare = shape.length - term.replace('...', '').length
    const dots = Array.from({ length: spare }, (_, i) => `.${spare - i}`)
    const [before = '', after = ''] = term.split('...')
    const letters = term.includes('...') ? [...before, ...dots, ...after] : [...term]
    letters.forEach((letter, d) => {
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, shape[d] ?? 1))
    })
    return letters
  })
  let total = 0
  let held = new Set(named[0])
  named.slice(1).forEach((letters, k) => {
    const both = new Set([...held, ...letters])
    total += volume([...both].map((letter) => sizes.get(letter) ?? 1))
    const later = new Set([...right, ...named.slice(k + 2).flat()])
    held = new Set([...both].filter((letter) => letter.startsWith('.') || later.has(letter)))
  })
  return total
}

const two = (a: string, b: string, add?: string) => ({
  relate: matrices(a, b, add),
  lengths: matmulLengths(a, b),
  macs: contraction(a),
})
const bilinearMacs: CountMacs = ({ shape, output }) => volume(output) * volume(shape('weight').slice(1))
const bilinearLengths: LengthRule = (op) => [
  ...(op.tensor('input1')?.lengths.slice(0, -1) ?? []),
  lastOf(op.tensor('weight'), 0),
]

const SUM = 'a sum over an axis that is zero when dead; heads and their dimensions, where both are activations'

export const products: Family = [
  ...operators('linear', 'features in and out', {
    ...{ relate: linear, lengths: leading((op) => [lastOf(op.tensor('weight'), 0)], -1), macs: contraction('input') },
    sums: 'compensated',
  }),
  ...operators('bilinear', 'features in, of both inputs, and out', {
    ...{ relate: bilinear, lengths: bilinearLengths, macs: bilinearMacs },
    sums: 'left alone',
  }),
  ...operators('matmul', SUM, { ...two('self', 'other'), sums: 'left alone' }),
  ...operators('mm', SUM, { ...two('self', 'mat2'), sums: 'left alone' }),
  ...operators('bmm', SUM, two('self', 'mat2')),
  ...operators('mv', SUM, two('self', 'vec')),
  ...operators('dot', SUM, two('self', 'tensor')),
  ...operators('vdot', SUM, two('self', 'other')),
  ...operators('addmm', SUM, { ...two('mat1', 'mat2', 'self'), sums: 'left alone' }),
  ...operators('baddbmm', SUM, two('batch1', 'batch2', 'self')),
  ...operators('addmv', SUM, two('mat', 'vec', 'self')),
  ...operators('einsum', `${SUM}; every letter, and an ellipsis`, {
    relate: einsum,
    lengths: einsumLengths,
    macs: einsumMacs,
  }),
  ...operators('_grouped_mm', 'channels in blocks of 16 bytes; the groups stay', {
    relate: grouped,
    macs: groupedMacs,
  }),
]
