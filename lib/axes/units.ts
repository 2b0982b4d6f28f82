/** Index of a unit over all groups: the groups' units one after the other. */
export type UnitId = number

/**
 * One dimension of a tensor: which units each coordinate needs, in compressed rows. Coordinate `i` survives iff none of
 * `units[offsets[i] .. offsets[i + 1]]` is removed.
 */
export interface UnitAxis {
  size: number
  /** `size + 1` positions into `units`; absent when every coordinate always survives. */
  offsets?: Int32Array
  units: Int32Array
}

/** Which units go; index by {@link UnitId}. */
export type Removed = Uint8Array

/** The coordinates of an axis that survive, ascending. */
export function keptCoordinates(axis: UnitAxis, removed: Removed): number[] {
  const kept: number[] = []
  for (let i = 0; i < axis.size; i++) if (survives(axis, i, removed)) kept.push(i)
  return kept
}

/** How many coordinates survive. */
export function keptSize(axis: UnitAxis, removed: Removed): number {
  if (!axis.offsets) return axis.size
  let n = 0
  for (let i = 0; i < axis.size; i++) if (survives(axis, i, removed)) n++
  return n
}

export function survives(axis: UnitAxis, coordinate: number, removed: Removed): boolean {
  const { offsets, units } = axis
  if (!offsets) return true
  const end = offsets[coordinate + 1] as number
  for (let k = offsets[coordinate] as number; k < end; k++) if (removed[units[k] as number]) return false
  return true
}
