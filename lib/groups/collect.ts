import type { Axis } from '../axes/axes.js'
import type { Coordinate, Coordinates } from '../axes/coordinates.js'
import type { UnitAxis } from '../axes/units.js'
import type { Graph, MemberUse, Norm } from '../operators/graph.js'
import type { TensorValue } from '../record/record.js'
import { frozenPart } from './frozen.js'
import type { ChannelGroup, ChannelGroups, Member } from './groups.js'
import { Numbering } from './numbering.js'
import { type NamedAxis, partition } from './partition.js'

/** A parameter or buffer. */
export interface NamedTensor {
  id: number
  value: TensorValue
  name: string
}

const NOTHING: readonly string[] = []

/** A dimension of a parameter or buffer. */
interface Dimension {
  name: string
  role: 'parameter' | 'buffer'
  use: MemberUse
  dim: number
  axis: Axis
}

export interface Collected extends ChannelGroups {
  /** Dimensions of a tensor value; undefined for a value that no live operator touches. */
  axesOf(value: number): readonly UnitAxis[] | undefined
  /** Operators that compute over axes which can be cut, in the order of the record, with the fixed ones among them. */
  readonly norms: readonly Norm[]
}

/**
 * Gathers the free atoms into groups: two belong together iff they are cut from the same dimensions of the same tensors in
 * the same way. Everything else is frozen, with its reasons.
 */
export function collectGroups(graph: Graph): Collected {
  const named = namedTensors(graph)
  const dimensions = tensorDimensions(graph, named)
  const inexact = approximations(graph)
  const distinct = distinctAxes(graph, dimensions)
  const found = partition(graph.coordinates, distinct.values(), inexact)
  const numbering = new Numbering(graph.axes, found, distinct)
  const members = membersOf(dimensions, numbering, found.length)
  const groups = found.map(({ kind, leaves }, id): ChannelGroup => {
    const own = members[id] as Member[]
    const lists = inexact.size > 0 ? new Set(leaves.map((leaf) => inexact.get(leaf) ?? NOTHING)) : []
    const approximation = [...new Set([...lists].flat())]
    return {
      id,
      kind,
      size: leaves.length,
      members: own,
      scopes: [...new Set(own.map(({ name }) => name.slice(0, Math.max(name.lastIndexOf('.'), 0))))],
      exact: approximation.length === 0,
      approximation,
    }
  })
  const axesOf = (value: number) =>
    graph.has(value) ? graph.tensor(value).axes.map((axis) => numbering.of(axis)) : undefined
  return { groups, ...frozenPart(graph, named, numbering), axesOf, norms: graph.norms }
}

function namedTensors({ record }: Graph): NamedTensor[] {
  return record.values.flatMap((value, id) =>
    value.kind === 'tensor' && (value.role === 'parameter' || value.role === 'buffer')
      ? { id, value, name: value.names?.[0] ?? '' }
      : [],
  )
}

/** Dimensions of named tensors in the order in which the model uses them. */
function tensorDimensions(graph: Graph, named: readonly NamedTensor[]): Dimension[] {
  return named.flatMap(({ id, value, name }) =>
    graph.has(id)
      ? graph.tensor(id).axes.map((axis, dim) => ({
          name,
          role: value.role === 'buffer' ? ('buffer' as const) : ('parameter' as const),
          use: graph.uses.get(`${id}.${dim}`)?.use ?? ('other' as const),
          dim,
          axis: graph.axes.of(axis),
        }))
      : [],
  )
}

/** Equal axes once. */
function distinctAxes({ coordinates }: Graph, dimensions: readonly Dimension[]): Map<Axis, NamedAxis> {
  const distinct = new Map<Axis, NamedAxis>()
  for (const { axis, role } of dimensions) {
    const known = distinct.get(axis)
    const parameter = role === 'parameter'
    if (!known) distinct.set(axis, { size: axis.length, parameter, ...coordinates.leavesOf(axis) })
    else if (parameter) known.parameter = true
  }
  return distinct
}

/** For each atom over which a norm or mean is not exact: in words, by which and over what dimension. */
function approximations({ coordinates, axes, norms }: Graph): Map<Coordinate, readonly string[]> {
  const byAxis = new Map<Axis, string[]>()
  for (const { op, dim, exact, axis } of norms) {
    if (exact) continue
    const text = `${op.name} in '${op.scope}' over dimension ${dim}`
    const known = byAxis.get(axes.of(axis))
    if (known) known.push(text)
    else byAxis.set(axes.of(axis), [text])
  }
  const words = new Map<Coordinate, readonly string[]>()
  for (const [axis, texts] of byAxis) {
    // Atoms of one axis share one list.
    const longer = new Map<readonly string[], readonly string[]>()
    for (const leaf of new Set(leavesOf(coordinates, axis))) {
      const known = words.get(leaf)
      if (known && !longer.has(known)) longer.set(known, [...known, ...texts])
      words.set(leaf, known ? (longer.get(known) as readonly string[]) : texts)
    }
  }
  return words
}

function leavesOf(coordinates: Coordinates, axis: Axis): Coordinate[] {
  const leaves: Coordinate[] = []
  for (const c of axis) coordinates.each(c, (leaf) => leaves.push(leaf))
  return leaves
}

/** The slices of every group, in graph order. */
function membersOf(dimensions: readonly Dimension[], numbering: Numbering, groups: number): Member[][] {
  const members = Array.from({ length: groups }, (): Member[] => [])
  for (const { axis, ...dimension } of dimensions) {
    for (const { group, coords, units } of numbering.slices(axis)) {
      members[group]?.push({ ...dimension, size: axis.length, coords, units })
    }
  }
  return members
}
