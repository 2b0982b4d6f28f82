import type { Coordinates } from './coordinates.js'

/** One dimension of a tensor value: a coordinate for each index. Never changed once made, and shared freely. */
export type Axis = Int32Array

/** An axis as (outer, inner): index = outer index x inner size + inner index. */
export interface Factors {
  outer: Axis
  inner: Axis
}

/**
 * What is known of whole axes: which are equal, and of which factors they are products. What holds once holds for ever, so
 * an axis is merged and taken apart once, however many layers it passes.
 */
export class Axes {
  readonly coordinates: Coordinates
  private readonly twins = new Map<Axis, Axis>()
  private readonly products = new Map<Axis, Map<Axis, Axis>>()
  private readonly parts = new Map<Axis, Map<number, Factors>>()

  constructor(coordinates: Coordinates) {
    this.coordinates = coordinates
  }

  /** The one that stands for all axes known to be equal to `axis`. */
  of(axis: Axis): Axis {
    let at = axis
    for (let up = this.twins.get(at); up !== undefined; up = this.twins.get(at)) at = up
    if (at !== axis) this.twins.set(axis, at)
    return at
  }

  /** Notes that two axes are equal, coordinate by coordinate. */
  unite(a: Axis, b: Axis): void {
    const [to, from] = [this.of(a), this.of(b)]
    if (to === from) return
    this.twins.set(from, to)
    adopt(this.products, from, to)
    adopt(this.parts, from, to)
  }

  /** The axis that two factors make; `make` is called where it is not known. */
  product({ outer, inner }: Factors, make: () => Axis): Axis {
    return remember(rowOf(this.products, this.of(outer)), this.of(inner), make)
  }

  /** The factors of an axis with `n` inner indices; `make` is called where they are not known. */
  factors(axis: Axis, n: number, make: () => Factors): Factors {
    return remember(rowOf(this.parts, this.of(axis)), n, () => {
      const made = make()
      this.product(made, () => axis)
      return made
    })
  }
}

function rowOf<K, L, V>(table: Map<K, Map<L, V>>, key: K): Map<L, V> {
  return remember(table, key, () => new Map<L, V>())
}

function remember<K, V>(table: Map<K, V>, key: K, make: () => V): V {
  const known = table.get(key)
  if (known !== undefined) return known
  const made = make()
  table.set(key, made)
  return made
}

/** What is known of `from` is known of `to`. */
function adopt<K, L, V>(table: Map<K, Map<L, V>>, from: K, to: K): void {
  const row = table.get(from)
  if (!row) return
  const own = rowOf(table, to)
  for (const [key, value] of row) if (!own.has(key)) own.set(key, value)
}
