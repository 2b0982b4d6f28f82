import type { FreezeReason } from './groups.js'

/** Index of a coordinate in a {@link Coordinates} forest. */
export type Coordinate = number

/** The coordinate that always survives, for no reason worth naming: a kernel window, an image row. */
export const FIXED: Coordinate = 0

/** What an atom was met as. Atoms that become one have been met as all that either was. */
export const MET = {
  /** index of a whole dimension of a parameter or buffer */
  dimension: 1,
  /** outer factor of a dimension that a reshape took apart */
  outer: 2,
  /** inner factor of such a dimension */
  inner: 4,
  /** group of a convolution */
  convGroup: 8,
  /** hidden unit of a recurrent layer */
  hidden: 16,
  /** batch index of a product of two activations: an attention head */
  batch: 32,
  /** contracted or passed on by such a product: a dimension of a head */
  product: 64,
} as const

/** What binding a coordinate to parts tells about the parts. */
const INHERITED = MET.batch | MET.product

const FREE = 0
const IS_FIXED = 1
const IS_BOUND = 2

const NONE: readonly Coordinate[] = []
/** Two coordinate ids in one number that a double holds exactly. */
const PAIR = 2 ** 26

/**
 * Which coordinates of which axes live and die together.
 *
 * A coordinate survives a cut iff all its atoms survive. A root of this union-find forest is a free atom, fixed, or
 * bound to a set of other coordinates; `normal` resolves any coordinate to its free atoms. Substitution keeps every
 * earlier equality true, so nothing is ever revisited.
 */
export class Coordinates {
  private parent = new Int32Array(1024)
  private state = new Uint8Array(1024).fill(IS_FIXED, 0, 1)
  private met = new Uint8Array(1024)
  private count = 1
  /** Bound roots, and fixed ones that were bound: the coordinates that must all survive. */
  private readonly bound = new Map<Coordinate, readonly Coordinate[]>()
  private readonly reasons = new Map<Coordinate, FreezeReason[]>()
  private readonly pairs = new Map<number, Coordinate>()
  private readonly sets = new Map<string, Coordinate>()

  /** `n` new free atoms. An axis of one coordinate can never lose it, so a single atom is fixed from the start. */
  fresh(n: number, met: number = MET.dimension): Int32Array {
    const axis = new Int32Array(n)
    if (n === 1) return axis
    this.reserve(n)
    for (let i = 0; i < n; i++) axis[i] = this.add(met)
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
    const parts = this.bound.get(root) as readonly Coordinate[]
    if (parts.every((p) => this.isLeaf(p))) return parts
    const leaves = [...new Set(parts.flatMap((p) => this.normal(p)))].sort((a, b) => a - b)
    // The parts of one that is fixed by now are kept, for their reasons.
    if (leaves.length > 0) this.bound.set(root, leaves)
    return leaves
  }

  /** The free atom that `c` is; {@link FIXED} when it is fixed, -1 when it may be several. */
  leafOf(c: Coordinate): number {
    const root = this.find(c)
    const state = this.state[root]
    return state === FREE ? root : state === IS_FIXED ? FIXED : -1
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
    for (const leaf of this.normal(c)) this.met[leaf] = (this.met[leaf] as number) | met
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
    return this.ofLeaves([...new Set([...this.normal(ra), ...this.normal(rb)])].sort((x, y) => x - y))
  }

  /** The coordinate that survives iff all of the free atoms `leaves` (ascending) do. */
  ofLeaves(leaves: readonly Coordinate[]): Coordinate {
    if (leaves.length === 0) return FIXED
    if (leaves.length === 1) return leaves[0] as Coordinate
    if (leaves.length === 2) return this.pair(leaves[0] as Coordinate, leaves[1] as Coordinate)
    const key = leaves.join()
    const known = this.sets.get(key)
    if (known !== undefined) return known
    const c = this.addBound(leaves)
    this.sets.set(key, c)
    return c
  }

  /** Roots of all that `c` was ever made of, fixed or not; without {@link FIXED} itself. */
  atomsOf(c: Coordinate): readonly Coordinate[] {
    const root = this.find(c)
    const parts = this.bound.get(root)
    return parts ? parts.flatMap((p) => this.atomsOf(p)) : root === FIXED ? NONE : [root]
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
    const parts = this.state[root] === IS_BOUND ? this.bound.get(root) : undefined
    if (parts) for (const p of parts) this.fix(p, reasons)
    this.state[root] = IS_FIXED
    // The first reasons are the telling ones; a residual stream can meet thousands.
    const known = this.reasons.get(root)
    if (root === FIXED || (known !== undefined && known.length >= 4)) return
    this.reasons.set(root, known === undefined ? [...reasons] : distinct([...known, ...reasons]))
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

  private pair(a: Coordinate, b: Coordinate): Coordinate {
    if (a === b) return a
    const [low, high] = a < b ? [a, b] : [b, a]
    const key = low * PAIR + high
    const known = this.pairs.get(key)
    if (known !== undefined) return known
    const c = this.addBound([low, high])
    this.pairs.set(key, c)
    return c
  }

  private addBound(leaves: readonly Coordinate[]): Coordinate {
    this.reserve(1)
    const c = this.add(0)
    this.state[c] = IS_BOUND
    this.bound.set(c, leaves)
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
    if (size >= PAIR) throw new RangeError(`a model of more than ${PAIR} coordinates`)
    const grow = <A extends Int32Array | Uint8Array>(old: A, made: A): A => {
      made.set(old)
      return made
    }
    this.parent = grow(this.parent, new Int32Array(size))
    this.state = grow(this.state, new Uint8Array(size))
    this.met = grow(this.met, new Uint8Array(size))
  }

  private isLeaf(c: Coordinate): boolean {
    return this.parent[c] === c && this.state[c] === FREE
  }

  private bind(leaf: Coordinate, parts: readonly Coordinate[]): void {
    const told = (this.met[leaf] as number) & INHERITED
    if (told !== 0) for (const part of parts) this.meet(part, told)
    // First, as it may move the forest to larger arrays.
    const whole = this.ofLeaves(parts)
    this.parent[leaf] = whole
  }

  /** The older atom stays the root, so that ascending roots follow the graph. */
  private merge(a: Coordinate, b: Coordinate): void {
    if (a === b) return
    const [root, child] = a < b ? [a, b] : [b, a]
    this.parent[child] = root
    this.met[root] = (this.met[root] as number) | (this.met[child] as number)
  }
}

function distinct(reasons: readonly FreezeReason[]): FreezeReason[] {
  if (reasons.length < 2) return [...reasons]
  const seen = new Map(reasons.map((r) => [`${r.kind}|${r.operator ?? ''}|${r.scope ?? ''}`, r]))
  return [...seen.values()].slice(0, 4)
}
