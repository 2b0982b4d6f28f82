import type { Axis } from './axes.js'
import type { Coordinate } from './coordinates.js'
import type { ChannelGroup, ChannelGroups, FreezeReason, FrozenDimension, Member, MemberUse } from './groups.js'
import type { Graph } from './op.js'
import type { TensorValue } from './record.js'
import { KERNEL } from './rules/rule.js'
import type { UnitAxis, UnitId } from './units.js'

/** A dimension of a parameter or buffer that holds free atoms. */
interface Dimension {
  name: string
  role: 'parameter' | 'buffer'
  use: MemberUse
  dim: number
  axis: Axis
}

type Collected = ChannelGroups & { axesOf(value: number): readonly UnitAxis[] | undefined }

/**
 * Gathers the free atoms into groups: two belong together iff they are cut from the same dimensions of the same tensors in
 * the same way. Everything else is frozen, with its reasons.
 */
export function collectGroups(graph: Graph): Collected {
  const dimensions = tensorDimensions(graph)
  const unitOf = new Map<Coordinate, UnitId>()
  const groups: ChannelGroup[] = []
  for (const { leaves, places } of partition(graph, dimensions)) {
    const first = unitOf.size
    for (const leaf of leaves) unitOf.set(leaf, unitOf.size)
    groups.push(makeGroup(graph, groups.length, leaves, first, unitOf, places))
  }
  return { groups, ...frozenPart(graph), axesOf: axisResolver(graph, unitOf) }
}

/** Dimensions of named tensors in the order in which the model uses them. */
function tensorDimensions(graph: Graph): Dimension[] {
  return namedTensors(graph).flatMap(({ id, value, name }) =>
    graph.has(id)
      ? graph.tensor(id).axes.map((axis, dim) => ({
          name,
          role: value.role === 'buffer' ? ('buffer' as const) : ('parameter' as const),
          use: graph.uses.get(`${id}.${dim}`)?.use ?? ('other' as const),
          dim,
          axis,
        }))
      : [],
  )
}

function namedTensors(graph: Graph): { id: number; value: TensorValue; name: string }[] {
  return graph.record.values.flatMap((value, id) =>
    value.kind === 'tensor' && (value.role === 'parameter' || value.role === 'buffer')
      ? [{ id, value, name: value.names?.[0] ?? '' }]
      : [],
  )
}

/** Free atoms with equal signatures, and the dimensions they are cut from; all in order of first appearance. */
function partition(graph: Graph, dimensions: readonly Dimension[]): { leaves: Coordinate[]; places: Dimension[] }[] {
  const { coordinates } = graph
  const found = new Map<Coordinate, { signature: string[]; places: Dimension[] }>()
  dimensions.forEach((dimension, index) => {
    const here = new Map<Coordinate, { count: number; last: number; contiguous: boolean }>()
    dimension.axis.forEach((c, i) => {
      for (const leaf of coordinates.normal(c)) {
        const at = here.get(leaf)
        if (!at) here.set(leaf, { count: 1, last: i, contiguous: true })
        else here.set(leaf, { count: at.count + 1, last: i, contiguous: at.contiguous && at.last === i - 1 })
      }
    })
    for (const [leaf, { count, contiguous }] of here) {
      const entry = found.get(leaf) ?? { signature: [coordinates.kindOf(leaf)], places: [] }
      entry.signature.push(`${index}:${count}:${contiguous}`)
      entry.places.push(dimension)
      found.set(leaf, entry)
    }
  })
  const groups = new Map<string, { leaves: Coordinate[]; places: Dimension[] }>()
  for (const [leaf, { signature, places }] of found) {
    if (!places.some(({ role }) => role === 'parameter')) continue
    const key = signature.join()
    const group = groups.get(key)
    if (group) group.leaves.push(leaf)
    else groups.set(key, { leaves: [leaf], places })
  }
  return [...groups.values()]
}

function makeGroup(
  graph: Graph,
  id: number,
  leaves: readonly Coordinate[],
  first: UnitId,
  unitOf: ReadonlyMap<Coordinate, UnitId>,
  places: readonly Dimension[],
): ChannelGroup {
  const mine = (unit: UnitId | undefined): unit is UnitId =>
    unit !== undefined && unit >= first && unit < first + leaves.length
  const members: Member[] = []
  for (const { axis, ...dimension } of places) {
    const coords: number[] = []
    const units: number[] = []
    axis.forEach((c, i) => {
      for (const leaf of graph.coordinates.normal(c)) {
        const unit = unitOf.get(leaf)
        if (!mine(unit)) continue
        coords.push(i)
        units.push(unit - first)
      }
    })
    if (coords.length > 0) {
      members.push({ ...dimension, size: axis.length, coords: Int32Array.from(coords), units: Int32Array.from(units) })
    }
  }
  const scopes = [...new Set(members.map(({ name }) => name.slice(0, Math.max(name.lastIndexOf('.'), 0))))]
  return {
    id,
    kind: graph.coordinates.kindOf(leaves[0] as Coordinate),
    size: leaves.length,
    members,
    scopes,
    exact: true,
    approximation: [],
  }
}

const UNUSED: FreezeReason = { kind: 'unused by any output' }

function frozenPart(graph: Graph): Pick<ChannelGroups, 'frozen' | 'coverage' | 'topReasons'> {
  const frozen: FrozenDimension[] = []
  const blamed = new Map<string, { reason: FreezeReason; elements: number }>()
  let total = 0
  let covered = 0
  for (const { id, value, name } of namedTensors(graph)) {
    if (value.role !== 'parameter') continue
    const numel = value.shape.reduce((a, b) => a * b, 1)
    const dims = value.shape.map((size, dim) => {
      const axis = graph.has(id) ? (graph.tensor(id).axes[dim] as Axis) : undefined
      const stuck = axis ? axis.reduce((n, c) => n + (graph.coordinates.isFixed(c) ? 1 : 0), 0) : size
      const reasons = axis ? reasonsOf(graph, axis) : [UNUSED]
      return { dim, size, stuck, reasons }
    })
    const free = numel - dims.reduce((n, { stuck }) => n * stuck, 1)
    total += numel
    covered += free
    const telling = dims.filter((d) => d.stuck === d.size && !d.reasons.every((r) => r.kind === KERNEL))
    frozen.push(...telling.map(({ dim, size, reasons }) => ({ name, dim, size, reasons })))
    const reason = telling.flatMap((d) => d.reasons)[0]
    if (free > 0 || !reason) continue
    const key = `${reason.kind}|${reason.operator ?? ''}`
    const entry = blamed.get(key) ?? { reason, elements: 0 }
    blamed.set(key, { reason, elements: entry.elements + numel })
  }
  const topReasons = [...blamed.values()].sort((a, b) => b.elements - a.elements)
  return { frozen, coverage: total === 0 ? 0 : covered / total, topReasons }
}

function reasonsOf(graph: Graph, axis: Axis): FreezeReason[] {
  const seen = new Map<string, FreezeReason>()
  for (const c of axis) {
    for (const r of graph.coordinates.reasonsOf(c)) seen.set(`${r.kind}|${r.operator ?? ''}|${r.scope ?? ''}`, r)
    if (seen.size >= 4) break
  }
  return [...seen.values()]
}

/** Translates axes to units, once for each distinct axis. */
function axisResolver(graph: Graph, unitOf: ReadonlyMap<Coordinate, UnitId>) {
  const resolved = new Map<Axis, UnitAxis>()
  const resolve = (axis: Axis): UnitAxis => {
    const known = resolved.get(axis)
    if (known) return known
    const units: number[] = []
    const offsets = new Int32Array(axis.length + 1)
    axis.forEach((c, i) => {
      for (const leaf of graph.coordinates.normal(c)) {
        const unit = unitOf.get(leaf)
        if (unit !== undefined) units.push(unit)
      }
      offsets[i + 1] = units.length
    })
    const made: UnitAxis =
      units.length === 0
        ? { size: axis.length, units: new Int32Array() }
        : { size: axis.length, offsets, units: Int32Array.from(units) }
    resolved.set(axis, made)
    return made
  }
  return (value: number) => (graph.has(value) ? graph.tensor(value).axes.map(resolve) : undefined)
}
