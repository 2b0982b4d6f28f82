import { INHERITED, MET } from './met.js'
import { Pairs } from './pairs.js'
import type { FreezeReason } from './reason.js'
import { distinct, MOST_REASONS, Reasons } from './reasons.js'

/** Index of a coordinate in a {@link Coordinates} forest. */
export type Coordinate = number

/** The coordinate that always survives, for no reason worth naming: a kernel window, an image row. */
export const FIXED: Coordinate = 0

const FREE = 0
const IS_FIXED = 1
const IS_BOUND = 2

const NONE: readonly Coordinate[] = []
/** Coordinates for which there is room at first, and at most. */
const ROOM = 2 ** 14
const MOST = 2 ** 26

/** Free atoms in compressed rows. */
export interface Leaves {
  offsets: Int32Array
  leaves: Int32Array
}

/**
 * Which coordinates of which axes live and die together.
 *
 * A coordinate survives a cut iff all its atoms survive. A root of this union-find forest is a free atom, fixed, or
 * bound to a set of other coordinates; `normal` resolves any coordinate to its free atoms. Substitution keeps every
 * earlier equality true, so nothing is ever revisited.
 */
export class Coordinates {
  private parent = new Int32Array(ROOM)
  private state = new Uint8Array(ROOM).fill(IS_FIXED, 0, 1)
  private met = new Uint8Array(ROOM)
  private readonly many = new Map<Coordinate, readonly Coordinate[]>()
  private count = 1
  /** What a bound root, or a fixed one that was bound, needs: two coordinates, as nearly all do, or what {@link many} has. */
  private readonly pairs = new Pairs(ROOM)
  /** Why a fixed root is fixed, as a number in {@link reasons}. */
  private why = new Int32Array(ROOM)
  private readonly reasons = new Reasons()
  private readonly sets = new Map<string, Coordinate>()

  /** `n` new free atoms. An axis of one coordinate can never lose it, so a single atom is fixed from the start. */
  fresh(n: number, met: number = MET.dimension): Int32Array {
    const axis = new Int32Array(n)
    if (n === 1) return axis
    this.reserve(n)
    const { parent, count } = this
    for (let i = 0; i < n; i++) {
      axis[i] = count + i
      parent[count + i] = count + i
    }
    this.met.fill(met, count, count + n)
    this.count += n
    return axis
  }

  /** One coordinate that is fixed for `reason`, to be shared by all that it fixes. */
  pinned(reason: FreezeReason): Coordinate {
    this.reserve(1)
    const c = this.add(0)
    this.fix(c, [reason])
    return c
  }

  find(c: Coordinate): Coordinate {
    const { parent } = this
    let at = c
    for (let up = parent[at] as number; up !== at; up = parent[at] as number) {
      const next = parent[up] as number
      parent[at] = next
      at = next
    }
    return at
  }

  /** The free atoms of `c`, ascending; empty when it is fixed. */
  normal(c: Coordinate): readonly Coordinate[] {
    const root = this.find(c)
    const state = this.state[root]
    if (state === FREE) return [root]
    if (state === IS_FIXED) return NONE
    const known = this.many.get(root)
    if (known) {
      if (known.every((p) => this.isLeaf(p))) return known
      const leaves = ascending(known.flatMap((p) => this.normal(p)))
      // The parts of one that is fixed by now are kept, for their reasons.
      if (leaves.length > 0) this.many.set(root, leaves)
      return leaves
    }
    const a = this.find(this.pairs.low[root] as Coordinate)
    const b = this.find(this.pairs.high[root] as Coordinate)
    if (a !== b && this.state[a] === FREE && this.state[b] === FREE) return a < b ? [a, b] : [b, a]
    const leaves =
      a === b || this.state[a] === IS_FIXED
        ? this.normal(b)
        : this.state[b] === IS_FIXED
          ? this.normal(a)
          : ascending([...this.normal(a), ...this.normal(b)])
    // It is now what its parts became, for good.
    if (leaves.length > 0) this.become(root, this.ofLeaves(leaves))
    return leaves
  }

  /** The free atoms of every coordinate of an axis, one after the other: those of `i` begin at `offsets[i]`. */
  leavesOf(axis: Int32Array): Leaves {
    const offsets = new Int32Array(axis.length + 1)
    let leaves = new Int32Array(axis.length)
    let n = 0
    const push = (leaf: Coordinate) => {
      if (n === leaves.length) {
        const grown = new Int32Array(n * 2)
        grown.set(leaves)
        leaves = grown
      }
      leaves[n++] = leaf
    }
    for (let i = 0; i < axis.length; i++) {
      const root = this.find(axis[i] as Coordinate)
      if (this.state[root] === FREE) push(root)
      else this.each(root, push)
      offsets[i + 1] = n
    }
    return { offsets, leaves: leaves.subarray(0, n) }
  }

  /** Calls back with each free atom of `c`; without making a list of them. */
  each(c: Coordinate, call: (leaf: Coordinate) => void): void {
    const root = this.find(c)
    const state = this.state[root]
    if (state === FREE) call(root)
    if (state !== IS_BOUND) return
    const low = this.pairs.low[root] as Coordinate
    if (low !== 0) {
      const a = this.find(low)
      const b = this.find(this.pairs.high[root] as Coordinate)
      if (a !== b && this.state[a] === FREE && this.state[b] === FREE) {
        call(a < b ? a : b)
        call(a < b ? b : a)
        return
      }
    }
    for (const leaf of this.normal(root)) call(leaf)
  }

  /** Upper bound of all coordinates there are. */
  get size(): number {
    return this.count
  }

  isFixed(c: Coordinate): boolean {
    const root = this.find(c)
    const state = this.state[root]
    return state === IS_FIXED || (state === IS_BOUND && this.normal(root).length === 0)
  }

  /** Whether the coordinate is one free atom. */
  isAtom(c: Coordinate): boolean {
    return this.state[this.find(c)] === FREE
  }

  /** What an atom was met as: bits of {@link MET}. */
  metAs(leaf: Coordinate): number {
    return this.met[this.find(leaf)] as number
  }

  /** Notes what the atoms of `c` are met as. */
  meet(c: Coordinate, met: number): void {
    this.each(c, (leaf) => {
      this.met[leaf] = (this.met[leaf] as number) | met
    })
  }

  /** {@link meet} for those of `axis` that are single atoms; what is bound is no atom of its own. */
  meetAtoms(axis: Int32Array, met: number): void {
    for (const c of axis) {
      const root = this.find(c)
      if (this.state[root] === FREE) this.met[root] = (this.met[root] as number) | met
    }
  }

  /** Whether `a` and `b` survive together whatever is cut. */
  same(a: Coordinate, b: Coordinate): boolean {
    const [ra, rb] = [this.find(a), this.find(b)]
    if (ra === rb) return true
    if (this.state[ra] === FREE && this.state[rb] === FREE) return false
    const [left, right] = [this.normal(ra), this.normal(rb)]
    return left.length === right.length && left.every((leaf, k) => leaf === right[k])
  }

  /** The coordinate that survives iff both `a` and `b` do. */
  union(a: Coordinate, b: Coordinate): Coordinate {
    const [ra, rb] = [this.find(a), this.find(b)]
    if (this.state[ra] === FREE && this.state[rb] === FREE) return this.pair(ra, rb)
    return this.ofLeaves(ascending([...this.normal(ra), ...this.normal(rb)]))
  }

  /** The coordinate that survives iff all of the free atoms `leaves` (ascending) do. */
  ofLeaves(leaves: readonly Coordinate[]): Coordinate {
    if (leaves.length === 0) return FIXED
    if (leaves.length === 1) return leaves[0] as Coordinate
    if (leaves.length === 2) return this.pair(leaves[0] as Coordinate, leaves[1] as Coordinate)
    const key = leaves.join()
    const known = this.sets.get(key)
    if (known !== undefined) return known
    const c = this.addBound()
    this.many.set(c, leaves)
    this.sets.set(key, c)
    return c
  }

  /** Roots of all that `c` was ever made of, fixed or not; without {@link FIXED} itself. */
  atomsOf(c: Coordinate): readonly Coordinate[] {
    const root = this.find(c)
    const parts = this.partsOf(root)
    return parts.length > 0 ? parts.flatMap((p) => this.atomsOf(p)) : root === FIXED ? NONE : [root]
  }

  /** Why `c` or an atom it was bound to is fixed. */
  reasonsOf(c: Coordinate): readonly FreezeReason[] {
    const root = this.find(c)
    const own = this.reasons.of(this.why[root] as number)
    const parts = this.partsOf(root)
    return parts.length > 0 ? distinct([...own, ...parts.flatMap((p) => this.reasonsOf(p))]) : own
  }

  fix(c: Coordinate, reasons: readonly FreezeReason[]): void {
    const root = this.find(c)
    if (this.state[root] === IS_BOUND) for (const p of this.partsOf(root)) this.fix(p, reasons)
    this.state[root] = IS_FIXED
    // The first reasons are the telling ones; a residual stream can meet thousands.
    const why = this.why[root] as number
    if (root === FIXED || this.reasons.of(why).length >= MOST_REASONS) return
    this.why[root] = this.reasons.with(why, reasons)
  }

  /**
   * Demands that `a` and `b` survive together. Returns false, and changes nothing, where each is a set of several atoms
   * with nothing to tell which of them correspond: the caller must compare the factors of the whole axes.
   *
   * @param reason for atoms that this ties to a coordinate that is fixed without a reason of its own
   */
  equate(a: Coordinate, b: Coordinate, reason: FreezeReason): boolean {
    const ra = this.find(a)
    const rb = this.find(b)
    if (ra === rb) return true
    if (this.state[ra] === FREE && this.state[rb] === FREE) {
      this.merge(ra, rb)
      return true
    }
    let left = this.normal(ra)
    let right = this.normal(rb)
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
    if (left.length > 1 && right.length > 1) return false
    const [leaf, parts] = left.length === 1 ? [left[0] as Coordinate, right] : [right[0] as Coordinate, left]
    if (parts.length === 1) this.merge(leaf, parts[0] as Coordinate)
    else this.bind(leaf, parts)
    return true
  }

  /** {@link equate} of two lists index by index; false when one of them could not be. */
  equateAll(a: Int32Array, b: Int32Array, reason: FreezeReason): boolean {
    let resolved = true
    for (let i = 0; i < a.length; i++) {
      const ra = this.find(a[i] as Coordinate)
      const rb = this.find(b[i] as Coordinate)
      if (ra === rb) continue
      if (this.state[ra] === FREE && this.state[rb] === FREE) this.merge(ra, rb)
      else if (!this.bindToPair(ra, rb) && !this.bindToPair(rb, ra) && !this.equate(ra, rb, reason)) resolved = false
    }
    return resolved
  }

  /** The common case of {@link equate}: a free atom and a root that needs two others. */
  private bindToPair(leaf: Coordinate, root: Coordinate): boolean {
    const low = this.pairs.low[root] as Coordinate
    if (this.state[leaf] !== FREE || this.state[root] !== IS_BOUND || low === 0) return false
    const [a, b] = [this.find(low), this.find(this.pairs.high[root] as Coordinate)]
    if (a === leaf || b === leaf || a === b || this.state[a] !== FREE || this.state[b] !== FREE) return false
    const told = (this.met[leaf] as number) & INHERITED
    this.met[a] = (this.met[a] as number) | told
    this.met[b] = (this.met[b] as number) | told
    this.parent[leaf] = root
    return true
  }

  /** {@link same} of two lists index by index. */
  sameAll(a: Int32Array, b: Int32Array): boolean {
    for (let i = 0; i < a.length; i++) {
      const ra = this.find(a[i] as Coordinate)
      const rb = this.find(b[i] as Coordinate)
      if (ra !== rb && !this.same(ra, rb)) return false
    }
    return true
  }

  /** What a root was bound to. */
  private partsOf(root: Coordinate): readonly Coordinate[] {
    const low = this.pairs.low[root] as Coordinate
    return low !== 0 ? [low, this.pairs.high[root] as Coordinate] : (this.many.get(root) ?? NONE)
  }

  /** The coordinate that survives iff two free atoms do. */
  private pair(a: Coordinate, b: Coordinate): Coordinate {
    if (a === b) return a
    const [low, high] = a < b ? [a, b] : [b, a]
    const known = this.pairs.find(low, high)
    if (known !== 0) return known
    const c = this.addBound()
    this.pairs.add(c, low, high)
    return c
  }

  private addBound(): Coordinate {
    this.reserve(1)
    const c = this.add(0)
    this.state[c] = IS_BOUND
    return c
  }

  private add(met: number): Coordinate {
    const c = this.count++
    this.parent[c] = c
    this.met[c] = met
    return c
  }

  private reserve(n: number): void {
    if (this.count + n <= this.parent.length) return
    const size = Math.max(this.parent.length * 2, this.count + n)
    if (size >= MOST) throw new RangeError(`a model of more than ${MOST} coordinates`)
    const grow = <A extends Int32Array | Uint8Array>(old: A, made: A): A => {
      made.set(old)
      return made
    }
    this.parent = grow(this.parent, new Int32Array(size))
    this.state = grow(this.state, new Uint8Array(size))
    this.met = grow(this.met, new Uint8Array(size))
    this.pairs.reserve(size)
    this.why = grow(this.why, new Int32Array(size))
  }

  private isLeaf(c: Coordinate): boolean {
    return this.parent[c] === c && this.state[c] === FREE
  }

  private bind(leaf: Coordinate, parts: readonly Coordinate[]): void {
    const told = (this.met[leaf] as number) & INHERITED
    if (told !== 0) for (const part of parts) this.meet(part, told)
    this.become(leaf, this.ofLeaves(parts))
  }

  /** The root `c` is the same as `whole` from now on. */
  private become(c: Coordinate, whole: Coordinate): void {
    if (c !== whole) this.parent[c] = whole
  }

  /** The older atom stays the root, so that ascending roots follow the graph. */
  private merge(a: Coordinate, b: Coordinate): void {
    if (a === b) return
    const [root, child] = a < b ? [a, b] : [b, a]
    this.parent[child] = root
    this.met[root] = (this.met[root] as number) | (this.met[child] as number)
  }
}

/** Each once, ascending. */
function ascending(leaves: Coordinate[]): Coordinate[] {
  return leaves.sort((a, b) => a - b).filter((leaf, k) => leaf !== leaves[k - 1])
}
