import { type Coordinate, type Coordinates, FIXED, MET } from './coordinates.js'
import type { FreezeReason } from './groups.js'

/** One dimension of a tensor value: a coordinate for each index. Never changed once made, and shared freely. */
export type Axis = Int32Array

const fixedAxes = (() => {
  const cache = new Map<number, Axis>()
  return (size: number) => {
    const known = cache.get(size)
    if (known) return known
    const axis = new Int32Array(size).fill(FIXED)
    cache.set(size, axis)
    return axis
  }
})()

/** The axis of `size` coordinates that all survive. */
export function fixedAxis(size: number): Axis {
  return fixedAxes(size)
}

export function isFixedAxis(coordinates: Coordinates, axis: Axis): boolean {
  if (axis === fixedAxes(axis.length)) return true
  for (let i = 0; i < axis.length; i++) if (!coordinates.isFixed(axis[i] as Coordinate)) return false
  return true
}

export function fixAxis(coordinates: Coordinates, axis: Axis, reason: FreezeReason): void {
  if (axis === fixedAxes(axis.length)) return
  let last = -1
  for (const c of axis) {
    if (c !== last && !coordinates.isFixed(c)) coordinates.fix(c, [reason])
    last = c
  }
}

/** Demands that two axes of equal size keep the same indices. */
export function equateAxes(coordinates: Coordinates, a: Axis, b: Axis, reason: FreezeReason): void {
  if (a === b) return
  if (a.length !== b.length) throw new RangeError(`axes of ${a.length} and ${b.length} cannot be equal`)
  let resolved = true
  for (let i = 0; i < a.length; i++) {
    if (!coordinates.equate(a[i] as Coordinate, b[i] as Coordinate, reason)) resolved = false
  }
  if (!resolved) equateFactors(coordinates, a, b, { ...reason, kind: 'factors do not nest' })
}

/** Whether the axes keep the same indices whatever is cut. */
export function sameAxes(coordinates: Coordinates, a: Axis, b: Axis): boolean {
  for (let i = 0; i < a.length; i++) if (!coordinates.same(a[i] as Coordinate, b[i] as Coordinate)) return false
  return true
}

/** `flatten`: the axis whose index is that of `axes` in mixed radix; each coordinate needs all its parts. */
export function mergeAxes(coordinates: Coordinates, axes: readonly Axis[]): Axis {
  if (axes.length === 0) return fixedAxis(1)
  return axes.reduce((outer, inner) => {
    if (outer.length === 1) return inner
    if (inner.length === 1) return outer
    const size = outer.length * inner.length
    const outerFixed = isFixedAxis(coordinates, outer)
    const innerFixed = isFixedAxis(coordinates, inner)
    if (outerFixed && innerFixed) return fixedAxis(size)
    const merged = new Int32Array(size)
    for (let i = 0, k = 0; i < outer.length; i++) {
      for (let j = 0; j < inner.length; j++, k++) {
        const [o, n] = [outer[i] as Coordinate, inner[j] as Coordinate]
        merged[k] = innerFixed ? o : outerFixed ? n : coordinates.union(o, n)
      }
    }
    return merged
  })
}

/**
 * `unflatten`: splits an axis into (outer, inner) with `n` inner indices. The tensor must stay rectangular, so an axis of
 * single atoms is bound: a whole outer or a whole inner index goes at a time.
 */
export function splitAxis(
  coordinates: Coordinates,
  axis: Axis,
  n: number,
  met: { outer: number; inner: number },
  reason: FreezeReason,
): { outer: Axis; inner: Axis } {
  const known = factor(coordinates, axis, n)
  if (known) return known
  const rows = Array.from({ length: axis.length / n }, (_, i) => axis.subarray(i * n, (i + 1) * n))
  const told = rows.find((row) => row.some((c) => !coordinates.isAtom(c)))
  // An axis that is a product, if not of these factors, is refined below.
  const shaped = told && factors(coordinates, axis).length === 1 ? told : undefined
  const { outer, inner } = shaped
    ? splitLike(coordinates, rows, shaped, met.outer, reason)
    : { outer: coordinates.fresh(rows.length, met.outer), inner: coordinates.fresh(n, met.inner) }
  const merged = mergeAxes(coordinates, [outer, inner])
  if (!shaped) equateAxes(coordinates, axis, merged, reason)
  const why = { ...reason, kind: 'factors do not nest' }
  // Where the axis could not be bound its atoms are fixed now, and these must not outlive them.
  if (!sameAxes(coordinates, axis, merged)) {
    for (const each of [axis, outer, inner]) fixAxis(coordinates, each, why)
  }
  return { outer, inner }
}

/**
 * (outer, inner) of an axis of which one row is no longer made of single atoms: that row tells what the inner indices are,
 * and the others follow it.
 */
function splitLike(
  coordinates: Coordinates,
  rows: readonly Axis[],
  shaped: Axis,
  met: number,
  reason: FreezeReason,
): { outer: Axis; inner: Axis } {
  const withoutCommon = (row: Axis) => {
    const common = commonLeaves(coordinates, row)
    const rest = row.map((c) => coordinates.ofLeaves(coordinates.normal(c).filter((leaf) => !common.includes(leaf))))
    return { common: coordinates.ofLeaves(common), rest }
  }
  const { common, rest: inner } = withoutCommon(shaped)
  const outer = Int32Array.from(rows, (row) => {
    if (row === shaped) return common
    if (row.every((c) => coordinates.isAtom(c))) {
      // Never alone in its axis, so never fixed from the start.
      const own = coordinates.fresh(2, met)[0] as Coordinate
      const whole = inner.map((c) => coordinates.union(own, c))
      equateAxes(coordinates, row, whole, reason)
      return own
    }
    const { common: own, rest } = withoutCommon(row)
    if (isLike(coordinates, rest, inner)) equateAxes(coordinates, rest, inner, reason)
    return own
  })
  return { outer, inner }
}

/** Whether two axes correspond atom by atom, as far as they are not the same already. */
function isLike(coordinates: Coordinates, a: Axis, b: Axis): boolean {
  return a.every((c, i) => {
    const other = b[i] as Coordinate
    return (coordinates.isAtom(c) && coordinates.isAtom(other)) || coordinates.same(c, other)
  })
}

/** The atoms that every coordinate of an axis needs. */
function commonLeaves(coordinates: Coordinates, axis: Axis): readonly Coordinate[] {
  const [first, ...others] = Array.from(axis, (c) => coordinates.normal(c))
  return others.reduce((left, leaves) => left.filter((leaf) => leaves.includes(leaf)), first ?? [])
}

/** Reads (outer, inner) out of the normal forms of an axis that already is a product; undefined when it is not. */
function factor(coordinates: Coordinates, axis: Axis, n: number): { outer: Axis; inner: Axis } | undefined {
  const m = axis.length / n
  if (n === 1) return { outer: axis, inner: fixedAxis(1) }
  if (m === 1) return { outer: fixedAxis(1), inner: axis }
  if (isFixedAxis(coordinates, axis)) return { outer: fixedAxis(m), inner: fixedAxis(n) }
  if (isPlain(coordinates, axis, n)) return undefined
  const normals = Array.from(axis, (c) => coordinates.normal(c))
  const at = (i: number, j: number) => normals[i * n + j] as readonly Coordinate[]
  const outer: (readonly Coordinate[])[] = []
  for (let i = 0; i < m; i++) {
    let common = at(i, 0)
    for (let j = 1; j < n && common.length > 0; j++) common = common.filter((leaf) => at(i, j).includes(leaf))
    outer.push(common)
  }
  const first = outer[0] as readonly Coordinate[]
  const inner = Array.from({ length: n }, (_, j) => at(0, j).filter((leaf) => !first.includes(leaf)))
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const [o, k, c] = [outer[i] as readonly Coordinate[], inner[j] as readonly Coordinate[], at(i, j)]
      const covered = c.every((leaf) => o.includes(leaf) || k.includes(leaf))
      if (!covered || ![...o, ...k].every((leaf) => c.includes(leaf))) return undefined
    }
  }
  return {
    outer: Int32Array.from(outer, (leaves) => coordinates.ofLeaves(leaves)),
    inner: Int32Array.from(inner, (leaves) => coordinates.ofLeaves(leaves)),
  }
}

/** Three single atoms that differ, at (0, 0), (0, 1) and (1, 0), can't be products of two factors. */
function isPlain(coordinates: Coordinates, axis: Axis, n: number): boolean {
  const [a, b, c] = [axis[0], axis[1], axis[n]].map((x) => coordinates.find(x as Coordinate))
  return a !== b && a !== c && b !== c && [a, b, c].every((x) => coordinates.isAtom(x as Coordinate))
}

/** Set against set: only the factors of the whole axes can tell what corresponds. Matched from the right. */
function equateFactors(coordinates: Coordinates, a: Axis, b: Axis, reason: FreezeReason): void {
  const left = factors(coordinates, a)
  const right = factors(coordinates, b)
  while (left.length > 1 || right.length > 1) {
    const x = left.pop() as Axis
    const y = right.pop() as Axis
    if (x.length === y.length) {
      equateAxes(coordinates, x, y, reason)
      continue
    }
    const [small, large, rest] = x.length < y.length ? [x, y, right] : [y, x, left]
    const other = rest === right ? left : right
    if (large.length % small.length !== 0) {
      for (const axis of [x, y, ...left, ...right]) fixAxis(coordinates, axis, reason)
      return
    }
    // What was met as a factor is one in both parts.
    const met = coordinates.metAs(large[0] as Coordinate) & ~MET.dimension
    const parts = splitAxis(coordinates, large, small.length, { outer: met, inner: met }, reason)
    rest.push(parts.outer, parts.inner)
    other.push(small)
  }
  const [x, y] = [left[0] as Axis, right[0] as Axis]
  if (x.length === y.length && (x !== a || y !== b)) equateAxes(coordinates, x, y, reason)
  else for (const axis of [x, y]) fixAxis(coordinates, axis, reason)
}

/** The finest mixed radix that the normal forms of an axis show, outermost first. */
function factors(coordinates: Coordinates, axis: Axis): Axis[] {
  for (let n = 2; n <= axis.length / 2; n++) {
    if (axis.length % n !== 0) continue
    const parts = factor(coordinates, axis, n)
    if (parts) return [...factors(coordinates, parts.outer), parts.inner]
  }
  return [axis]
}
