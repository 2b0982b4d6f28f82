import { type Analysis, flatArgs, type OpEntry, type ValueId } from '../groups/index.js'

/** An operator on the way, and the value that it was left by. */
export interface Step {
  op: OpEntry
  value: ValueId
}

/**
 * Walks from value to value along operators that hand on some coordinates: what ties two dimensions, or what froze one.
 */
export class Trail {
  private readonly analysis: Analysis
  private readonly opsOf = new Map<ValueId, OpEntry[]>()

  constructor(analysis: Analysis) {
    this.analysis = analysis
    for (const op of analysis.record.ops) {
      if (!analysis.live.has(op)) continue
      for (const id of valuesOf(op)) {
        const known = this.opsOf.get(id)
        if (known) known.push(op)
        else this.opsOf.set(id, [op])
      }
    }
  }

  /** What the coordinates of an axis were made of. */
  atoms(axis: Int32Array): Set<number> {
    const { provenance } = this.analysis
    const atoms = new Set<number>()
    let last = -1
    for (const c of axis) {
      if (c === last) continue
      last = c
      for (const atom of provenance.atoms(c)) atoms.add(atom)
    }
    return atoms
  }

  /**
   * All values that can be reached from `start` by operators whose tensors share one of the `atoms`, each with the shortest
   * way there.
   */
  from(start: ValueId, atoms: ReadonlySet<number>): Map<ValueId, readonly Step[]> {
    const carries = this.carrier(atoms)
    const ways = new Map<ValueId, readonly Step[]>([[start, []]])
    const queue = [start]
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      const way = ways.get(at) as readonly Step[]
      for (const op of this.opsOf.get(at) ?? []) {
        for (const value of valuesOf(op)) {
          if (ways.has(value) || !carries(value)) continue
          ways.set(value, [...way, { op, value }])
          queue.push(value)
        }
      }
    }
    return ways
  }

  /** The ways to operators that have one of the `targets` beside a value that was reached. */
  beside(ways: ReadonlyMap<ValueId, readonly Step[]>, targets: ReadonlySet<ValueId>): Step[][] {
    return [...ways].flatMap(([value, way]) =>
      (this.opsOf.get(value) ?? [])
        .filter((op) => valuesOf(op).some((other) => targets.has(other)))
        .map((op) => [...way, { op, value }]),
    )
  }

  /** Whether a value has an axis with one of the atoms; each axis is looked at once. */
  private carrier(atoms: ReadonlySet<number>): (value: ValueId) => boolean {
    const { provenance } = this.analysis
    const known = new Map<Int32Array, boolean>()
    const has = (axis: Int32Array): boolean => {
      let found = known.get(axis)
      if (found === undefined) {
        found = axis.some((c) => provenance.atoms(c).some((atom) => atoms.has(atom)))
        known.set(axis, found)
      }
      return found
    }
    return (value) => provenance.axes(value)?.some(has) ?? false
  }
}

/** Every value that an operator reads or makes. */
export function valuesOf(op: OpEntry): ValueId[] {
  return [...op.inputs.flatMap((arg) => flatArgs(arg)), ...op.outputs.flatMap((arg) => flatArgs(arg))]
}
