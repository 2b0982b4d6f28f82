import type { Axis } from '../axes/axes.js'
import type { FreezeReason } from '../axes/reason.js'
import { volume } from '../base/numbers.js'
import { type Graph, KERNEL } from '../operators/graph.js'
import { GATES } from '../operators/recurrent.js'
import type { NamedTensor } from './collect.js'
import type { ChannelGroups, FrozenDimension } from './groups.js'
import type { Numbering } from './numbering.js'

const UNUSED: FreezeReason = { kind: 'unused by any output' }
const RESHAPE: FreezeReason = { kind: 'factor of a reshape' }

/** What can't be cut and why, and how much of the parameters can. */
export function frozenPart(
  graph: Graph,
  named: readonly NamedTensor[],
  numbering: Numbering,
): Pick<ChannelGroups, 'frozen' | 'coverage' | 'topReasons'> {
  const frozen: FrozenDimension[] = []
  const told = new Map<Axis, readonly FreezeReason[]>()
  const reasonsFor = (axis: Axis) => {
    const known = told.get(axis) ?? reasonsOf(graph, axis)
    told.set(axis, known)
    return known
  }
  const blamed = new Map<string, { reason: FreezeReason; elements: number }>()
  let total = 0
  let covered = 0
  for (const { id, value, name } of named) {
    if (value.role !== 'parameter') continue
    const numel = volume(value.shape)
    const dims = value.shape.map((size, dim) => {
      const axis = graph.has(id) ? (graph.tensor(id).axes[dim] as Axis) : undefined
      if (!axis) return { dim, size, stuck: size, reasons: [UNUSED] }
      const stuck = stuckIn(numbering, axis)
      return { dim, size, stuck, reasons: stuck === size ? reasonsFor(axis) : [] }
    })
    const free = numel - dims.reduce((n, { stuck }) => n * stuck, 1)
    total += numel
    covered += free
    const telling = dims.filter(
      ({ stuck, size, reasons }) => stuck === size && !reasons.every((r) => r.kind === KERNEL),
    )
    frozen.push(...telling.map(({ dim, size, reasons }) => ({ name, dim, size, reasons })))
    const blamable = telling.flatMap((d) => d.reasons)
    const reason = blamable.find(({ kind }) => kind !== GATES) ?? blamable[0]
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

/** How many coordinates of an axis need no unit: they always survive. */
function stuckIn(numbering: Numbering, axis: Axis): number {
  const { size, offsets } = numbering.of(axis)
  if (!offsets) return size
  let stuck = 0
  for (let i = 0; i < size; i++) if (offsets[i] === offsets[i + 1]) stuck++
  return stuck
}
