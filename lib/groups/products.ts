import { type Axis, fixedAxis } from '../axes/axes.js'
import type { Coordinate } from '../axes/coordinates.js'
import type { Graph } from '../operators/graph.js'
import { flat, type OpEntry, type ValueId } from '../record/record.js'
import type { Learned } from '../sizes/lengths.js'
import type { Polynomial } from '../sizes/polynomial.js'

/**
 * Lengths that are not understood where they are made, but that an operator ties to another: the channels that a convolution
 * reads are as many as its weight has, whatever the program computes.
 */
export function tiedLengths(graph: Graph, live: ReadonlySet<OpEntry>): Learned {
  const { lengths, record } = graph
  const known = new Map<Axis, Polynomial>()
  const open: { id: ValueId; dim: number; axis: Axis }[] = []
  for (const op of live) {
    for (const id of new Set([...flat(op.inputs), ...flat(op.outputs)])) {
      if (!graph.value(id) || !graph.has(id)) continue
      graph.tensor(id).axes.forEach((axis, dim) => {
        // The axes that are fixed from the start are shared by all of their size.
        if (axis === fixedAxis(axis.length)) return
        const one = graph.axes.of(axis)
        const length = lengths.length(id, dim)
        if (lengths.isOpen(id, dim)) {
          if (graph.value(id)?.role === undefined) open.push({ id, dim, axis: one })
        } else if (known.get(one)?.value === undefined) known.set(one, length)
      })
    }
  }
  const learned = new Map<ValueId, Map<number, Polynomial>>()
  for (const { id, dim, axis } of open) {
    const length = known.get(axis)
    const second = record.secondRun?.shapes.get(id)?.[dim] ?? axis.length
    if (length === undefined || (length.value !== undefined && second !== axis.length)) continue
    learned.set(id, (learned.get(id) ?? new Map()).set(dim, length))
  }
  return learned
}

/**
 * A dimension whose length depends on the input can only be cut where it is a whole number of times as long as what is cut
 * (batch x heads, channels x pixels): the same part of it then goes for every input. Any other one stays whole: rows that
 * the input counts, a width joined to one.
 */
export function keepRectangular(graph: Graph, live: ReadonlySet<OpEntry>): void {
  for (const op of live) {
    for (const id of flat(op.outputs)) {
      if (!graph.value(id) || !graph.has(id)) continue
      graph.tensor(id).axes.forEach((axis, d) => {
        const length = graph.lengths.length(id, d)
        if (length.value !== undefined) return
        const kinds = kindsIn(graph, axis)
        if (kinds === 0 || length.content % kinds === 0) return
        graph.fix(axis, { kind: 'length depends on the input', operator: op.name, scope: op.scope }, op)
      })
    }
  }
}

/** How many different coordinates an axis has; 0 for one that is fixed. */
function kindsIn({ coordinates }: Graph, axis: Axis): number {
  const seen = new Set<Coordinate>()
  let free = false
  for (const c of axis) {
    seen.add(coordinates.find(c))
    free ||= !coordinates.isFixed(c)
  }
  return free ? seen.size : 0
}
