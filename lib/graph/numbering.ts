import type { Axes, Axis } from './axes.js'
import type { Coordinate } from './coordinates.js'
import type { Found } from './partition.js'
import type { UnitAxis, UnitId } from './units.js'

/** The part of an axis that belongs to a group: coordinate `coords[k]` needs unit `units[k]` of it. */
export interface Slice {
  group: number
  coords: Int32Array
  units: Int32Array
}

/** Numbers the atoms of all groups, and reads axes by these numbers: each axis once, however many tensors have it. */
export class Numbering {
  private readonly axes: Axes
  /** By atom: its unit + 1; 0 for an atom of no group. */
  private readonly unit: Int32Array
  private readonly group: Int32Array
  private readonly first: number[] = []
  private readonly resolved = new Map<Axis, UnitAxis>()
  private readonly sliced = new Map<Axis, readonly Slice[]>()

  constructor(axes: Axes, found: readonly Found[]) {
    this.axes = axes
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
    const { coordinates } = this.axes
    const { unit } = this
    const offsets = new Int32Array(axis.length + 1)
    let units = new Int32Array(axis.length)
    let n = 0
    const push = (leaf: Coordinate) => {
      const own = unit[leaf] as number
      if (own === 0) return
      if (n === units.length) {
        const grown = new Int32Array(n * 2)
        grown.set(units)
        units = grown
      }
      units[n++] = own - 1
    }
    for (let i = 0; i < axis.length; i++) {
      coordinates.each(axis[i] as Coordinate, push)
      offsets[i + 1] = n
    }
    return n === 0
      ? { size: axis.length, units: new Int32Array() }
      : { size: axis.length, offsets, units: units.slice(0, n) }
  }

  private slice({ size, offsets, units }: UnitAxis): Slice[] {
    if (!offsets) return []
    const own = new Map<number, { coords: number[]; units: number[] }>()
    for (let i = 0; i < size; i++) {
      for (let k = offsets[i] as number; k < (offsets[i + 1] as number); k++) {
        const unit = units[k] as UnitId
        const group = this.group[unit] as number
        let part = own.get(group)
        if (!part) {
          part = { coords: [], units: [] }
          own.set(group, part)
        }
        part.coords.push(i)
        part.units.push(unit - (this.first[group] as number))
      }
    }
    return [...own].map(([group, part]) => ({
      group,
      coords: Int32Array.from(part.coords),
      units: Int32Array.from(part.units),
    }))
  }
}
