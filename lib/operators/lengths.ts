import type { Length, LengthOp, LengthRule, Sized } from '../sizes/lengths.js'
import { ONE, Polynomial } from '../sizes/polynomial.js'

/** What the rules of lengths share. */

/** Non-negative form of a dimension. */
export const at = (dim: number, rank: number) => (dim < 0 ? dim + rank : dim)

export const product = (all: readonly Polynomial[]) => all.reduce((a, b) => a.times(b), ONE)

/** What several operands are in a dimension that they share: those of 1 are stretched, a constant is that for all. */
export function shared(sides: readonly { size: number; length: Polynomial }[]): Length {
  const wide = sides.filter(({ length }) => length.value !== 1)
  return (wide.find(({ length }) => length.value !== undefined) ?? wide[0])?.length ?? ONE
}

/** Operands aligned at their last dimensions. */
export function aligned(tensors: readonly Sized[], rank: number): Length[] {
  return Array.from({ length: rank }, (_, d) =>
    shared(
      tensors.flatMap(({ sizes, lengths }) => {
        const own = d - (rank - sizes.length)
        const length = lengths[own]
        return length ? [{ size: sizes[own] as number, length }] : []
      }),
    ),
  )
}

export const broadcast: LengthRule = (op, shape) => aligned(op.tensors(), shape.length)

export const first = (op: LengthOp) => op.tensor('self', 'input', 'a', 'v', 'x')

export const sameLengths: LengthRule = (op) => first(op)?.lengths

/** The dimensions of the first operand from `before`, others put in their place. */
export const leading =
  (
    rest: (op: LengthOp, x: Sized, shape: readonly number[]) => readonly Length[] | undefined,
    kept: number,
  ): LengthRule =>
  (op, shape) => {
    const x = first(op)
    const own = x && rest(op, x, shape)
    return own && [...x.lengths.slice(0, kept < 0 ? x.sizes.length + kept : kept), ...own]
  }

export const lastOf = (t: Sized | undefined, d: number): Length => t?.lengths[d]

/** What -1 stands for: the lengths that are there, over those that are named. */
export function inferred(total: readonly Polynomial[], others: readonly Length[]): Length {
  const left = [...total]
  const rest: Polynomial[] = []
  for (const other of others) {
    if (!other) return undefined
    const twin = left.findIndex((each) => each.same(other))
    if (twin >= 0) left.splice(twin, 1)
    else rest.push(other)
  }
  return product(left).over(product(rest))
}

/** Sizes as the program gives them; one may be -1. */
export function sized(total: readonly Polynomial[], sizes: readonly Polynomial[]): Length[] {
  const open = sizes.findIndex(({ value }) => value === -1)
  if (open < 0) return [...sizes]
  const others = sizes.filter((_, d) => d !== open)
  return sizes.map((size, d) => (d === open ? inferred(total, others) : size))
}

/** One dimension changes; where it and all numbers are constant so is what comes out. */
export const dimension =
  (change: (op: LengthOp, x: Sized, d: number, k: number) => Length, fallback = 0): LengthRule =>
  (op, shape, k) => {
    const x = first(op)
    const d = at(op.int('dim') ?? fallback, x?.sizes.length ?? 0)
    const isConstant = x?.lengths[d]?.value !== undefined && op.isToldConstants()
    const constant = Polynomial.constant(shape[d] as number)
    return x?.lengths.map((length, e) => (e !== d ? length : isConstant ? constant : change(op, x, d, k)))
  }
