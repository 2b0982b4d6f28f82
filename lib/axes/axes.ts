import { type Coordinate, type Coordinates, FIXED } from './coordinates.js'
import type { Axes, Axis, Factors } from './interned.js'
import { MET } from './met.js'
import type { FreezeReason } from './reason.js'
import { UnsupportedForm } from './unsupported.js'

export { Axes, type Axis } from './interned.js'

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

export function isFixedAxis({ coordinates }: Axes, axis: Axis): boolean {
  if (axis === fixedAxes(axis.length)) return true
  for (let i = 0; i < axis.length; i++) if (!coordinates.isFixed(axis[i] as Coordinate)) return false
  return true
}

export function fixAxis({ coordinates }: Axes, axis: Axis, reason: FreezeReason): void {
  if (axis === fixedAxes(axis.length)) return
  const reasons = [reason]
  let last = -1
  for (const c of axis) {
    if (c !== last && !coordinates.isFixed(c)) coordinates.fix(c, reasons)
    last = c
  }
}

/** Demands that two axes of equal size keep the same indices. */
export function equateAxes(axes: Axes, a: Axis, b: Axis, reason: FreezeReason): void {
  if (axes.of(a) === axes.of(b)) return
  if (a.length !== b.length) throw new UnsupportedForm(`axes of ${a.length} and ${b.length} cannot be equal`)
  const resolved = axes.coordinates.equateAll(a, b, reason)
  if (!resolved) equateFactors(axes, a, b, { ...reason, kind: 'factors do not nest' })
  // An axis that is fixed keeps its own reasons: the one that all fixed axes share has none.
  else if (a !== fixedAxes(a.length) && b !== fixedAxes(b.length)) axes.unite(a, b)
}

/** `flatten`: the axis whose index is that of `parts` in mixed radix; each coordinate needs all its parts. */
export function mergeAxes(axes: Axes, parts: readonly Axis[]): Axis {
  if (parts.length === 0) return fixedAxis(1)
  return parts.reduce((outer, inner) => {
    if (outer.length === 1) return inner
    if (inner.length === 1) return outer
    return axes.product({ outer, inner }, () => mergePair(axes, outer, inner))
  })
}

function mergePair(axes: Axes, outer: Axis, inner: Axis): Axis {
  const size = outer.length * inner.length
  const outerFixed = isFixedAxis(axes, outer)
  const innerFixed = isFixedAxis(axes, inner)
  if (outerFixed && innerFixed) return fixedAxis(size)
  const merged = new Int32Array(size)
  for (let i = 0, k = 0; i < outer.length; i++) {
    for (let j = 0; j < inner.length; j++, k++) {
      const [o, n] = [outer[i] as Coordinate, inner[j] as Coordinate]
      merged[k] = innerFixed ? o : outerFixed ? n : axes.coordinates.union(o, n)
    }
  }
  return merged
}

/** What new factors are met as. */
interface Met {
  outer: number
  inner: number
}

/**
 * `unflatten`: splits an axis into (outer, inner) with `n` inner indices. The tensor must stay rectangular, so an axis of
 * single atoms is bound: a whole outer or a whole inner index goes at a time.
 */
export function splitAxis(axes: Axes, axis: Axis, n: number, met: Met, reason: FreezeReason): Factors {
  return axes.factors(axis, n, () => factor(axes, axis, n) ?? bindFactors(axes, axis, n, met, reason))
}

function bindFactors(axes: Axes, axis: Axis, n: number, met: Met, reason: FreezeReason): Factors {
  const { coordinates } = axes
  const rows = Array.from({ length: axis.length / n }, (_, i) => axis.subarray(i * n, (i + 1) * n))
  const told = rows.find((row) => row.some((c) => !coordinates.isAtom(c)))
  // An axis that is a product, if not of these factors, is refined below.
  const shaped = told && factors(axes, axis).length === 1 ? told : undefined
  const { outer, inner } = shaped
    ? splitLike(axes, rows, shaped, met.outer, reason)
    : { outer: coordinates.fresh(rows.length, met.outer), inner: coordinates.fresh(n, met.inner) }
  const merged = mergeAxes(axes, [outer, inner])
  if (!shaped) equateAxes(axes, axis, merged, reason)
  const why = { ...reason, kind: 'factors do not nest' }
  // Where the axis could not be bound its atoms are fixed now, and these must not outlive them.
  if (!coordinates.sameAll(axis, merged)) {
    for (const each of [axis, outer, inner]) fixAxis(axes, each, why)
  }
  return { outer, inner }
}

/**
 * (outer, inner) of an axis of which one row is no longer made of single atoms: that row tells what the inner indices are,
 * and the others follow it.
 */
function splitLike(axes: Axes, rows: readonly Axis[], shaped: Axis, met: number, reason: FreezeReason): Factors {
  const { coordinates } = axes
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
      equateAxes(axes, row, whole, reason)
      return own
    }
    const { common: own, rest } = withoutCommon(row)
    if (isLike(coordinates, rest, inner)) equateAxes(axes, rest, inner, reason)
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
function factor(axes: Axes, axis: Axis, n: number): Factors | undefined {
  const { coordinates } = axes
  const m = axis.length / n
  if (n === 1) return { outer: axis, inner: fixedAxis(1) }
  if (m === 1) return { outer: fixedAxis(1), inner: axis }
  if (isFixedAxis(axes, axis)) return { outer: fixedAxis(m), inner: fixedAxis(n) }
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

/**
 * Set against set: only the factors of the whole axes can tell what corresponds. Matched from the right: equal sizes pair
 * index by index, nested ones are split, and of two that share a divisor the inner part is one. Where nothing is shared all is
 * fixed up to the next place at which both can be split.
 */
function equateFactors(axes: Axes, a: Axis, b: Axis, reason: FreezeReason): void {
  const left = factors(axes, a)
  const right = factors(axes, b)
  while (left.length > 1 || right.length > 1) {
    const [x, y] = [left.at(-1) as Axis, right.at(-1) as Axis]
    const shared = gcd(x.length, y.length)
    if (shared > 1) {
      equateAxes(axes, splitOff(axes, left, shared, reason), splitOff(axes, right, shared, reason), reason)
      continue
    }
    const size = nextBoundary(left, right)
    for (const side of [left, right]) {
      for (let n = size; n > 1; ) {
        const inner = side.at(-1) as Axis
        const part = gcd(n, inner.length)
        fixAxis(axes, splitOff(axes, side, part, reason), reason)
        n /= part
      }
    }
  }
  const [x, y] = [left[0], right[0]]
  if (!x || !y) return
  if (x.length === y.length && (x !== a || y !== b)) equateAxes(axes, x, y, reason)
  else for (const axis of [x, y]) fixAxis(axes, axis, reason)
}

/** Takes the inner `n` indices off the last of some factors. */
function splitOff(axes: Axes, side: Axis[], n: number, reason: FreezeReason): Axis {
  const axis = side.pop() as Axis
  if (axis.length === n) return axis
  // What was met as a factor is one in both parts.
  const met = axes.coordinates.metAs(axis[0] as Coordinate) & ~MET.dimension
  const { outer, inner } = splitAxis(axes, axis, n, { outer: met, inner: met }, reason)
  side.push(outer)
  return inner
}

/** The least number of indices, from the right, at which both lists of factors end or can be split. */
function nextBoundary(left: readonly Axis[], right: readonly Axis[]): number {
  const [ends, others] = [left, right].map(splits) as [number[], number[]]
  return ends.find((n) => n > 1 && others.includes(n)) as number
}

/** Products of the last factors and a divisor of the one before them, ascending. */
function splits(factors: readonly Axis[]): number[] {
  const found: number[] = []
  let inner = 1
  for (const { length } of [...factors].reverse()) {
    for (let n = 2; n <= length; n++) if (length % n === 0) found.push(inner * n)
    inner *= length
  }
  return found
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}

/** The finest mixed radix that the normal forms of an axis show, outermost first. */
function factors(axes: Axes, axis: Axis): Axis[] {
  for (let n = 2; n <= axis.length / 2; n++) {
    if (axis.length % n !== 0) continue
    const parts = factor(axes, axis, n)
    if (parts) return [...factors(axes, parts.outer), parts.inner]
  }
  return [axis]
}
