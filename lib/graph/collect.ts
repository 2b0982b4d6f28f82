import type { Axis } from './axes.js'
import { type Coordinate, type Coordinates, FIXED, MET } from './coordinates.js'
import type {
  ChannelGroup,
  ChannelGroups,
  FreezeReason,
  FrozenDimension,
  GroupKind,
  Member,
  MemberUse,
} from './groups.js'
import type { Graph, Norm } from './op.js'
import type { TensorValue } from './record.js'
import { KERNEL } from './rules/rule.js'
import type { UnitAxis, UnitId } from './units.js'

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
  const dimensions = tensorDimensions(graph)
  const inexact = approximations(graph)
  const found = partition(graph.coordinates, dimensions, inexact)
  const units = new Units(graph.coordinates, found)
  const members = membersOf(dimensions, units)
  const groups = found.map(({ kind, leaves }, id): ChannelGroup => {
    const own = members[id] as Member[]
    const approximation = [...new Set(leaves.flatMap((leaf) => inexact.get(leaf) ?? []))]
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
  return { groups, ...frozenPart(graph, units), axesOf: axisResolver(graph, units), norms: graph.norms }
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
  const named: { id: number; value: TensorValue; name: string }[] = []
  graph.record.values.forEach((value, id) => {
    if (value.kind !== 'tensor' || (value.role !== 'parameter' && value.role !== 'buffer')) return
    named.push({ id, value, name: value.names?.[0] ?? '' })
  })
  return named
}

/** For each atom that a norm or mean computes over: in words, by which and over what dimension. */
function approximations(graph: Graph): Map<Coordinate, string[]> {
  const words = new Map<Coordinate, string[]>()
  for (const { op, dim, axis } of graph.norms) {
    const text = `${op.name} in '${op.scope}' over dimension ${dim}`
    for (const leaf of new Set(leavesOf(graph.coordinates, axis))) {
      const known = words.get(leaf)
      if (known) known.push(text)
      else words.set(leaf, [text])
    }
  }
  return words
}

function* leavesOf(coordinates: Coordinates, axis: Axis): Generator<Coordinate> {
  for (const c of axis) {
    const leaf = coordinates.leafOf(c)
    if (leaf > 0) yield leaf
    else if (leaf !== FIXED) yield* coordinates.normal(c)
  }
}

/** What the atoms of a group are; undefined for a factor that only a reshape knows, which no one means to cut. */
function kindOf(met: number): GroupKind | undefined {
  const is = (bits: number) => (met & bits) !== 0
  if (is(MET.hidden)) return 'hidden'
  if (is(MET.convGroup)) return 'conv-groups'
  if (is(MET.batch)) return 'heads'
  if (is(MET.outer) && !is(MET.dimension)) return undefined
  return is(MET.inner) && is(MET.product) ? 'head-dims' : 'channels'
}

interface Found {
  kind: GroupKind
  leaves: Coordinate[]
}

/**
 * Free atoms with equal signatures, in order of first appearance. Every dimension refines the partition: atoms stay together
 * while each occurs in it as often as the others, in one run or not.
 */
function partition(
  coordinates: Coordinates,
  dimensions: readonly Dimension[],
  inexact: ReadonlyMap<Coordinate, unknown>,
): Found[] {
  const classOf = new Int32Array(coordinates.size)
  const count = new Int32Array(coordinates.size)
  const last = new Int32Array(coordinates.size)
  const runs = new Int32Array(coordinates.size)
  const order: Coordinate[] = []
  /** By class: whether a parameter is among its dimensions. */
  const real = [false]
  const first = new Map<string, number>()
  const kinds: (GroupKind | undefined)[] = [undefined]
  const firstClass = (leaf: Coordinate): number => {
    const kind = kindOf(coordinates.metAs(leaf))
    const key = `${kind} ${inexact.has(leaf)}`
    const known = first.get(key)
    if (known !== undefined) return known
    first.set(key, real.length)
    kinds.push(kind)
    return real.push(false) - 1
  }

  for (const { axis, role } of dimensions) {
    const here: Coordinate[] = []
    const note = (leaf: Coordinate, i: number) => {
      if (count[leaf] === 0) here.push(leaf)
      if (count[leaf] === 0 || last[leaf] !== i - 1) runs[leaf] = (runs[leaf] as number) + 1
      count[leaf] = (count[leaf] as number) + 1
      last[leaf] = i
    }
    for (let i = 0; i < axis.length; i++) {
      const c = axis[i] as Coordinate
      const leaf = coordinates.leafOf(c)
      if (leaf > 0) note(leaf, i)
      else if (leaf !== FIXED) for (const each of coordinates.normal(c)) note(each, i)
    }
    const refined = new Map<number, number>()
    for (const leaf of here) {
      if (classOf[leaf] === 0) {
        classOf[leaf] = firstClass(leaf)
        order.push(leaf)
      }
      const old = classOf[leaf] as number
      const key = (old * (axis.length + 1) + (count[leaf] as number)) * 2 + (runs[leaf] === 1 ? 1 : 0)
      let next = refined.get(key)
      if (next === undefined) {
        next = real.push(real[old] === true || role === 'parameter') - 1
        kinds.push(kinds[old])
        refined.set(key, next)
      }
      classOf[leaf] = next
      count[leaf] = 0
      runs[leaf] = 0
    }
  }
  const found = new Map<number, Found>()
  for (const leaf of order) {
    const own = classOf[leaf] as number
    const kind = kinds[own]
    if (!kind || !real[own]) continue
    const known = found.get(own)
    if (known) known.leaves.push(leaf)
    else found.set(own, { kind, leaves: [leaf] })
  }
  return [...found.values()]
}

/** Numbers the atoms of all groups. */
class Units {
  private readonly coordinates: Coordinates
  /** By atom: its unit + 1; 0 for an atom of no group. */
  private readonly unit: Int32Array
  private readonly group: number[] = []
  private readonly first: number[] = []

  constructor(coordinates: Coordinates, found: readonly Found[]) {
    this.coordinates = coordinates
    this.unit = new Int32Array(coordinates.size)
    let next: UnitId = 0
    found.forEach(({ leaves }, g) => {
      this.first.push(next)
      for (const leaf of leaves) {
        this.unit[leaf] = ++next
        this.group.push(g)
      }
    })
  }

  /** Calls back with the units that coordinate `c` needs. */
  of(c: Coordinate, call: (unit: UnitId) => void): void {
    const leaf = this.coordinates.leafOf(c)
    if (leaf === FIXED) return
    for (const each of leaf > 0 ? [leaf] : this.coordinates.normal(c)) {
      const unit = this.unit[each] as number
      if (unit > 0) call(unit - 1)
    }
  }

  /** Whether nothing that `c` needs can be cut. */
  survives(c: Coordinate): boolean {
    let free = false
    this.of(c, () => {
      free = true
    })
    return !free
  }

  groupOf(unit: UnitId): { group: number; index: number } {
    const group = this.group[unit] as number
    return { group, index: unit - (this.first[group] as number) }
  }

  get groups(): number {
    return this.first.length
  }
}

/** The slices of every group, in graph order; each dimension is read once. */
function membersOf(dimensions: readonly Dimension[], units: Units): Member[][] {
  const members = Array.from({ length: units.groups }, (): Member[] => [])
  for (const { axis, ...dimension } of dimensions) {
    const slices = new Map<number, { coords: number[]; units: number[] }>()
    axis.forEach((c, i) => {
      units.of(c, (unit) => {
        const { group, index } = units.groupOf(unit)
        let own = slices.get(group)
        if (!own) {
          own = { coords: [], units: [] }
          slices.set(group, own)
        }
        own.coords.push(i)
        own.units.push(index)
      })
    })
    for (const [group, { coords, units: own }] of slices) {
      members[group]?.push({
        ...dimension,
        size: axis.length,
        coords: Int32Array.from(coords),
        units: Int32Array.from(own),
      })
    }
  }
  return members
}

const UNUSED: FreezeReason = { kind: 'unused by any output' }
const RESHAPE: FreezeReason = { kind: 'factor of a reshape' }

function frozenPart(graph: Graph, units: Units): Pick<ChannelGroups, 'frozen' | 'coverage' | 'topReasons'> {
  const frozen: FrozenDimension[] = []
  const blamed = new Map<string, { reason: FreezeReason; elements: number }>()
  let total = 0
  let covered = 0
  for (const { id, value, name } of namedTensors(graph)) {
    if (value.role !== 'parameter') continue
    const numel = value.shape.reduce((a, b) => a * b, 1)
    const dims = value.shape.map((size, dim) => {
      const axis = graph.has(id) ? (graph.tensor(id).axes[dim] as Axis) : undefined
      if (!axis) return { dim, size, stuck: size, reasons: [UNUSED] }
      let stuck = 0
      for (const c of axis) if (units.survives(c)) stuck++
      return { dim, size, stuck, reasons: stuck === size ? reasonsOf(graph, axis) : [] }
    })
    const free = numel - dims.reduce((n, { stuck }) => n * stuck, 1)
    total += numel
    covered += free
    const telling = dims.filter(
      ({ stuck, size, reasons }) => stuck === size && !reasons.every((r) => r.kind === KERNEL),
    )
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
  let last = -1
  for (const c of axis) {
    const root = graph.coordinates.find(c)
    if (root === last) continue
    last = root
    const reasons = graph.coordinates.isFixed(c) ? graph.coordinates.reasonsOf(c) : [RESHAPE]
    for (const r of reasons) seen.set(`${r.kind}|${r.operator ?? ''}|${r.scope ?? ''}`, r)
    if (seen.size >= 4) break
  }
  return [...seen.values()]
}

/** Translates axes to units, once for each distinct axis. */
function axisResolver(graph: Graph, numbered: Units) {
  const resolved = new Map<Axis, UnitAxis>()
  const resolve = (axis: Axis): UnitAxis => {
    const known = resolved.get(axis)
    if (known) return known
    const units: number[] = []
    const offsets = new Int32Array(axis.length + 1)
    axis.forEach((c, i) => {
      numbered.of(c, (unit) => units.push(unit))
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
