import type { Coordinate, Coordinates, Leaves } from '../axes/coordinates.js'
import { MET } from '../axes/met.js'
import type { GroupKind } from './groups.js'

/** Free atoms that are cut from the same dimensions in the same way. */
export interface Found {
  kind: GroupKind
  leaves: Coordinate[]
}

/** The atoms of an axis that named tensors have. */
export interface NamedAxis extends Leaves {
  size: number
  /** At least one of the tensors is a parameter. */
  parameter: boolean
}

/** What the atoms of a group are; undefined for a factor that only a reshape knows, which no one means to cut. */
function kindOf(met: number): GroupKind | undefined {
  const is = (bits: number) => (met & bits) !== 0
  if (is(MET.hidden)) return 'hidden'
  if (is(MET.batch)) return 'heads'
  if (is(MET.convGroup)) return 'conv-groups'
  if (is(MET.inner) && is(MET.product)) return 'head-dims'
  return is(MET.outer) && !is(MET.dimension) ? undefined : 'channels'
}

/** Atoms by class. Every axis refines the classes: atoms stay together while each occurs in it as often as the others. */
class Classes {
  /** By class: what its atoms are, and whether a parameter is among their dimensions. Class 0: not met yet. */
  readonly kinds: (GroupKind | undefined)[] = [undefined]
  readonly real: boolean[] = [false]
  private readonly first = new Map<number, number>()
  private lastKey = -1
  private lastClass = 0
  private readonly coordinates: Coordinates
  private readonly inexact: ReadonlyMap<Coordinate, unknown>

  constructor(coordinates: Coordinates, inexact: ReadonlyMap<Coordinate, unknown>) {
    this.coordinates = coordinates
    this.inexact = inexact
  }

  add(kind: GroupKind | undefined, real: boolean): number {
    this.kinds.push(kind)
    return this.real.push(real) - 1
  }

  /** The class in which an atom begins: by its kind, and by whether its cut is exact. */
  firstOf(leaf: Coordinate): number {
    const met = this.coordinates.metAs(leaf)
    const key = met * 2 + (this.inexact.size > 0 && this.inexact.has(leaf) ? 1 : 0)
    // Neighbours are mostly alike.
    if (key !== this.lastKey) {
      this.lastKey = key
      this.lastClass = this.first.get(key) ?? this.begin(key, kindOf(met))
    }
    return this.lastClass
  }

  private begin(key: number, kind: GroupKind | undefined): number {
    const like = [...this.first].find(([other, c]) => other % 2 === key % 2 && this.kinds[c] === kind)
    const made = like ? like[1] : this.add(kind, false)
    this.first.set(key, made)
    return made
  }
}

/**
 * Free atoms with equal signatures, in order of first appearance. An axis tells atoms apart that it holds more or less
 * often, or in one run or several.
 */
export function partition(
  coordinates: Coordinates,
  axes: Iterable<NamedAxis>,
  inexact: ReadonlyMap<Coordinate, unknown>,
): Found[] {
  const classes = new Classes(coordinates, inexact)
  const classOf = new Int32Array(coordinates.size)
  const count = new Int32Array(coordinates.size)
  const last = new Int32Array(coordinates.size)
  const runs = new Int32Array(coordinates.size)
  const order: Coordinate[] = []
  for (const { size, parameter, offsets, leaves } of axes) {
    const here = new Int32Array(leaves.length)
    let n = 0
    for (let i = 0; i < size; i++) {
      for (let k = offsets[i] as number; k < (offsets[i + 1] as number); k++) {
        const leaf = leaves[k] as Coordinate
        if (count[leaf] === 0) here[n++] = leaf
        if (count[leaf] === 0 || last[leaf] !== i - 1) runs[leaf]!++
        count[leaf]!++
        last[leaf] = i
      }
    }
    // By old class, count and run.
    const refined = new Map<number, number>()
    let [lastKey, lastClass] = [-1, 0]
    for (let k = 0; k < n; k++) {
      const leaf = here[k] as Coordinate
      if (classOf[leaf] === 0) {
        classOf[leaf] = classes.firstOf(leaf)
        order.push(leaf)
      }
      const old = classOf[leaf] as number
      const key = (old * (size + 1) + (count[leaf] as number)) * 2 + (runs[leaf] === 1 ? 1 : 0)
      if (key !== lastKey) {
        let next = refined.get(key)
        if (next === undefined) {
          next = classes.add(classes.kinds[old], classes.real[old] === true || parameter)
          refined.set(key, next)
        }
        lastKey = key
        lastClass = next
      }
      classOf[leaf] = lastClass
      count[leaf] = 0
      runs[leaf] = 0
    }
  }
  const found = new Map<number, Found>()
  let [lastOwn, into] = [-1, undefined as Found | undefined]
  for (const leaf of order) {
    const own = classOf[leaf] as number
    if (own !== lastOwn) {
      lastOwn = own
      into = found.get(own)
      const kind = classes.kinds[own]
      if (!into && kind && classes.real[own]) {
        into = { kind, leaves: [] }
        found.set(own, into)
      }
    }
    into?.leaves.push(leaf)
  }
  return [...found.values()]
}
