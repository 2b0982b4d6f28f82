import type { FreezeReason, GroupKind } from './groups.js'

/** Index of a coordinate in a {@link Coordinates} forest. */
export type Coordinate = number

/** The coordinate that always survives, for no reason worth naming: a kernel window, an image row. */
export const FIXED: Coordinate = 0

const NONE: readonly Coordinate[] = []

/**
 * Which coordinates of which axes live and die together.
 *
 * A coordinate survives a cut iff all its atoms survive. A root of this union-find forest is a free atom, fixed, or
 * bound to a set of other coordinates; `normal` resolves any coordinate to its free atoms. Substitution keeps every
 * earlier equality true, so nothing is ever revisited.
 */
export class Coordinates {
  private readonly parent: number[] = [FIXED]
  private readonly fixed: boolean[] = [true]
  /** Bound roots: the coordinates that must all survive. */
  private readonly bound = new Map<Coordinate, readonly Coordinate[]>()
  private readonly kinds: GroupKind[] = ['channels']
  private readonly reasons = new Map<Coordinate, FreezeReason[]>()
  private readonly interned = new Map<string, Coordinate>()

  /** `n` new free atoms. An axis of one coordinate can never lose it, so a single atom is fixed from the start. */
  fresh(n: number, kind: GroupKind = 'channels'): Int32Array {
    if (n === 1) return Int32Array.of(FIXED)
    const first = this.parent.length
    for (let i = 0; i < n; i++) this.add(kind)
    return Int32Array.from({ length: n }, (_, i) => first + i)
  }

  /** One coordinate that is fixed for `reason`, to be shared by all that it fixes. */
  pinned(reason: FreezeReason): Coordinate {
    const c = this.add('channels')
    this.fix(c, [reason])
    return c
  }

  find(c: Coordinate): Coordinate {
    let root = c
    while (this.parent[root] !== root) root = this.parent[root] as number
    for (let i = c; i !== root; ) {
      const next = this.parent[i] as number
      this.parent[i] = root
      i = next
    }
    return root
  }

  /** The free atoms of `c`, ascending; empty when it is fixed. */
  normal(c: Coordinate): readonly Coordinate[] {
    const root = this.find(c)
    if (this.fixed[root]) return NONE
    const parts = this.bound.get(root)
    if (!parts) return [root]
    if (parts.every((p) => this.isLeaf(p))) return parts
    const leaves = [...new Set(parts.flatMap((p) => this.normal(p)))].sort((a, b) => a - b)
    // The parts of one that is fixed by now are kept, for their reasons.
    if (leaves.length > 0) this.bound.set(root, leaves)
    return leaves
  }

  isFixed(c: Coordinate): boolean {
    return this.normal(c).length === 0
  }

  kindOf(leaf: Coordinate): GroupKind {
    return this.kinds[leaf] as GroupKind
  }

  /** Whether `a` and `b` survive together whatever is cut. */
  same(a: Coordinate, b: Coordinate): boolean {
    if (this.find(a) === this.find(b)) return true
    const [left, right] = [this.normal(a), this.normal(b)]
    return left.length === right.length && left.every((leaf, k) => leaf === right[k])
  }

  /** The coordinate that survives iff both `a` and `b` do. */
  union(a: Coordinate, b: Coordinate): Coordinate {
    const leaves = [...new Set([...this.normal(a), ...this.normal(b)])].sort((x, y) => x - y)
    return this.ofLeaves(leaves)
  }

  /** The coordinate that survives iff all of the free atoms `leaves` (ascending) do. */
  ofLeaves(leaves: readonly Coordinate[]): Coordinate {
    if (leaves.length === 0) return FIXED
    if (leaves.length === 1) return leaves[0] as Coordinate
    const key = leaves.join()
    const known = this.interned.get(key)
    if (known !== undefined) return known
    const c = this.add('channels')
    this.bound.set(c, leaves)
    this.interned.set(key, c)
    return c
  }

  /** Why `c` or an atom it was bound to is fixed. */
  reasonsOf(c: Coordinate): readonly FreezeReason[] {
    const root = this.find(c)
    const own = this.reasons.get(root) ?? []
    const parts = this.bound.get(root)
    return parts ? distinct([...own, ...parts.flatMap((p) => this.reasonsOf(p))]) : own
  }

  fix(c: Coordinate, reasons: readonly FreezeReason[]): void {
    const root = this.find(c)
    const parts = this.fixed[root] ? undefined : this.bound.get(root)
    if (parts) for (const p of parts) this.fix(p, reasons)
    this.fixed[root] = true
    // The first reasons are the telling ones; a residual stream can meet thousands.
    const known = this.reasons.get(root) ?? []
    if (root !== FIXED && known.length < 4) this.reasons.set(root, distinct([...known, ...reasons]))
  }

  /**
   * Demands that `a` and `b` survive together. Returns false, and changes nothing, where each is a set of several atoms
   * with nothing to tell which of them correspond: the caller must compare the factors of the whole axes.
   */
  equate(a: Coordinate, b: Coordinate, reason: FreezeReason): boolean {
    const ra = this.find(a)
    const rb = this.find(b)
    if (ra === rb) return true
    if (this.isLeaf(ra) && this.isLeaf(rb)) {
      this.merge(ra, rb)
      return true
    }
    let left = this.normal(ra)
    let right = this.normal(rb)
    if (left.length === 1 && right.length === 1) {
      this.merge(left[0] as Coordinate, right[0] as Coordinate)
      return true
    }
    if (left.length > 0 && right.length > 0) {
      const common = left.filter((leaf) => right.includes(leaf))
      if (common.length > 0) {
        left = left.filter((leaf) => !common.includes(leaf))
        right = right.filter((leaf) => !common.includes(leaf))
      }
    }
    if (left.length === 0 && right.length === 0) return true
    if (left.length === 0 || right.length === 0) {
      const inherited = this.reasonsOf(left.length === 0 ? ra : rb)
      for (const leaf of left.length === 0 ? right : left) this.fix(leaf, inherited.length > 0 ? inherited : [reason])
      return true
    }
    if (left.length === 1) return this.bind(left[0] as Coordinate, right)
    if (right.length === 1) return this.bind(right[0] as Coordinate, left)
    return false
  }

  private add(kind: GroupKind): Coordinate {
    const c = this.parent.length
    this.parent.push(c)
    this.fixed.push(false)
    this.kinds.push(kind)
    return c
  }

  private isLeaf(c: Coordinate): boolean {
    return this.parent[c] === c && !this.fixed[c] && !this.bound.has(c)
  }

  private bind(leaf: Coordinate, parts: readonly Coordinate[]): true {
    this.bound.set(leaf, parts)
    return true
  }

  /** The older atom stays the root, so that ascending roots follow the graph; the more telling kind stays with it. */
  private merge(a: Coordinate, b: Coordinate): void {
    if (a === b) return
    const [root, child] = a < b ? [a, b] : [b, a]
    this.parent[child] = root
    if (this.kinds[root] === 'channels') this.kinds[root] = this.kinds[child] as GroupKind
  }
}

function distinct(reasons: readonly FreezeReason[]): FreezeReason[] {
  const seen = new Map(reasons.map((r) => [`${r.kind}|${r.operator ?? ''}|${r.scope ?? ''}`, r]))
  return [...seen.values()].slice(0, 4)
}
