import type { Axes, Axis } from '../axes/axes.js'
import type { Coordinate, Leaves } from '../axes/coordinates.js'
import type { UnitAxis, UnitId } from '../axes/units.js'
import type { Found } from './partition.js'

const EMPTY = new Int32Array()

/** The part of an axis that belongs to a group: coordinate `coords[k]` needs unit `units[k]` of it. */
export interface Slice {
  group: number
  coords: Int32Array
  units: Int32Array
}

/** Numbers the atoms of all groups, and reads axes by these numbers: each axis once, however many tensors have it. */
export class Numbering {
  private readonly axes: Axes
  private readonly known: ReadonlyMap<Axis, Leaves>
  /** By atom: its unit + 1; 0 for an atom of no group. */
  private readonly unit: Int32Array
  private readonly group: Int32Array
  private readonly first: number[] = []
  private readonly resolved = new Map<Axis, UnitAxis>()
  private readonly sliced = new Map<Axis, readonly Slice[]>()

  /** @param known  atoms of axes that were read already */
  constructor(axes: Axes, found: readonly Found[], known: ReadonlyMap<Axis, Leaves>) {
    this.axes = axes
    this.known = known
    this.unit = new Int32Array(axes.coordinates.size)
    this.group = new Int32Array(found.reduce((n, { leaves }) => n + leaves.length, 0))
    let next: UnitId = 0
    found.forEach(({ leaves }, g) => {
      this.first.push(next)
      for (const leaf of leaves) {
        this.group[next] = g
        this.unit[leaf] = ++next
      }
    })
  }

  /** The units that each coordinate of an axis needs. */
  of(axis: Axis): UnitAxis {
    const one = this.axes.of(axis)
    const known = this.resolved.get(one)
    if (known) return known
    const made = this.resolve(one)
    this.resolved.set(one, made)
    return made
  }

  /** What each group has of an axis, in order of its first coordinate there. */
  slices(axis: Axis): readonly Slice[] {
    const one = this.axes.of(axis)
    const known = this.sliced.get(one)
    if (known) return known
    const made = this.slice(this.of(one))
    this.sliced.set(one, made)
    return made
  }

  private resolve(axis: Axis): UnitAxis {
    const size = axis.length
    const { offsets, leaves } = this.known.get(axis) ?? this.axes.coordinates.leavesOf(axis)
    const units = new Int32Array(leaves.length)
    const ends = new Int32Array(size + 1)
    let n = 0
    for (let i = 0; i < size; i++) {
      for (let k = offsets[i] as number; k < (offsets[i + 1] as number); k++) {
        const own = this.unit[leaves[k] as Coordinate] as number
        if (own > 0) units[n++] = own - 1
      }
      ends[i + 1] = n
    }
    return n === 0 ? { size, units: new Int32Array() } : { size, offsets: ends, units: units.subarray(0, n) }
  }

  private slice({ size, offsets, units }: UnitAxis): Slice[] {
    if (!offsets) return []
    const own = new Map<number, Slice & { length: number }>()
    for (const unit of units) {
      const group = this.group[unit] as number
      const part = own.get(group)
      if (part) part.length++
      else own.set(group, { group, length: 1, coords: EMPTY, units: EMPTY })
    }
    for (const part of own.values()) {
      part.coords = new Int32Array(part.length)
      part.units = new Int32Array(part.length)
      part.length = 0
    }
    for (let i = 0; i < size; i++) {
      for (let k = offsets[i] as number; k < (offsets[i + 1] as number); k++) {
        const unit = units[k] as UnitId
        const part = own.get(this.group[unit] as number) as Slice & { length: number }
        part.coords[part.length] = i
        part.units[part.length++] = unit - (this.first[part.group] as number)
      }
    }
    return [...own.values()].map(({ group, coords, units: needed }) => ({ group, coords, units: needed }))
  }
}
