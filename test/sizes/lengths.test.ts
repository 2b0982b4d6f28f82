import { describe, expect, it } from 'vitest'
import { lengthRuleOf } from '../../lib/operators/apply.js'
import { Lengths } from '../../lib/sizes/lengths.js'
import { Polynomial } from '../../lib/sizes/polynomial.js'
import { RecordBuilder } from '../support/build.js'

const [x, y] = [Polynomial.symbol('x'), Polynomial.symbol('y')]
const n = Polynomial.constant

describe('polynomials', () => {
  it('are the same whatever the order of their terms', () => {
    expect(
      x
        .plus(y)
        .times(x)
        .same(x.times(y).plus(x.times(x))),
    ).toBe(true)
    expect(x.plus(y, -1).plus(y).same(x)).toBe(true)
    expect(x.plus(x, -1).value).toBe(0)
  })

  it('know what divides them for every input', () => {
    expect(n(4).times(x).plus(n(6)).content).toBe(2)
    expect(n(6).times(x).scaled(1, 3)?.same(n(2).times(x))).toBe(true)
    expect(n(6).times(x).plus(n(1)).scaled(1, 3)).toBeUndefined()
  })

  it('are divided where nothing is left over', () => {
    expect(n(8).times(x).times(y).over(n(4).times(x))?.same(n(2).times(y))).toBe(true)
    expect(x.plus(y).times(n(3)).over(x.plus(y))?.value).toBe(3)
    expect(x.over(y)).toBeUndefined()
    expect(x.over(n(0))).toBeUndefined()
  })
})

describe('lengths', () => {
  /** A linear layer on [batch, steps, 6], and the builder. */
  function start() {
    const b = new RecordBuilder()
    const h = b.linear('a', b.input(2, 5, 6), 16)
    const size = (dim: number) => b.scalar('aten::size', { self: h, dim: b.int(dim) }, b.shape(h)[dim] as number)
    const view = (...sizes: [number, number][]) =>
      b.op('aten::view', { self: h, size: sizes.map(([id]) => id) }, [sizes.map(([, at]) => at)])[0] as number
    return { b, h, size, view }
  }

  it('are constant where they come from weights, and not where they come from the input', () => {
    const { b, h } = start()
    const lengths = new Lengths(b.record(h), lengthRuleOf)
    expect(lengths.shape(h).map(({ value }) => value)).toEqual([undefined, undefined, 16])
  })

  it('of -1 are what is left, for every input', () => {
    const { b, size, view } = start()
    const folded = view([size(0), 2], [b.int(-1), 5], [b.int(4), 4], [b.int(4), 4])
    const lengths = new Lengths(b.record(folded), lengthRuleOf)
    expect(lengths.length(folded, 1).same(lengths.length(0, 1))).toBe(true)
  })

  it('count the whole of a dimension that holds batch and heads', () => {
    const { b, size, view } = start()
    const merged = view([b.int(-1), 8], [size(1), 5], [b.int(4), 4])
    const lengths = new Lengths(b.record(merged), lengthRuleOf)
    expect(lengths.length(merged, 0).content).toBe(4)
    expect(lengths.length(merged, 0).over(n(4))?.same(lengths.length(0, 0))).toBe(true)
  })

  it('follow sums, differences, products and exact quotients of sizes', () => {
    const { b, h, size } = start()
    const [steps, width] = [size(1), size(2)]
    const twice = b.scalar('aten::mul', { a: steps, b: b.int(4) }, 20)
    const half = b.scalar('aten::floordiv', { a: twice, b: b.int(2) }, 10)
    const less = b.scalar('aten::sub', { a: half, b: steps }, 5)
    const third = b.scalar('aten::floordiv', { a: steps, b: b.int(3) }, 1)
    const widths = b.scalar('aten::floordiv', { a: width, b: b.int(3) }, 5)
    const { numbers } = new Lengths(b.record(h), lengthRuleOf)
    expect(numbers.of(less).same(numbers.of(steps))).toBe(true)
    expect(numbers.of(third).value).toBeUndefined()
    expect(numbers.of(widths).value).toBe(5)
  })

  it('of a slice end where the input ends', () => {
    const { b, h, size } = start()
    const table = b.parameter('pe', 1, 20, 16)
    const args = { self: table, dim: b.int(1), start: b.none(), end: size(1), step: b.int(1) }
    const [rows] = b.op('aten::slice', args, [[1, 5, 16]])
    const lengths = new Lengths(b.record(rows as number), lengthRuleOf)
    expect(lengths.length(rows as number, 1).same(lengths.length(h, 1))).toBe(true)
  })

  it('that the program assigns or an input gives are not constant', () => {
    const b = new RecordBuilder()
    const state = b.int(3)
    const given = b.int(4)
    const record = b.record(b.input(2, 3))
    const values = record.values.map((value, id) => (id === state ? { ...value, role: 'state' as const } : value))
    const { numbers } = new Lengths(
      {
        ...record,
        values: values as typeof record.values,
        inputs: [...record.inputs, given],
      },
      lengthRuleOf,
    )
    expect([state, given].map((id) => numbers.of(id).value)).toEqual([undefined, undefined])
  })
})
