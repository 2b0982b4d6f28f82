import { EspalierError } from '../base/errors.js'
import { signature } from '../base/schema/index.js'
import {
  type Analysis,
  keptCoordinates,
  type Norm,
  type OpEntry,
  type Removed,
  survives,
  type UnitAxis,
} from '../groups/index.js'
import { ANALYSIS, REMOVED } from '../groups/schemas.js'
import type { CutRequest } from '../torch/index.js'

/**
 * A norm or mean over a dimension that a plan cuts: it computes over what is left of it. The `call`-th run (from 0) of that
 * operator in `forward`, among those with the same `dims` and the same size of dimension `dim`.
 */
export interface Approximation {
  /** `aten::layer_norm`, `aten::mean`, … */
  operator: string
  scope: string
  /** All dimensions of its input over which it computes, ascending. */
  dims: readonly number[]
  /** The one of them that is cut, and its size before. */
  dim: number
  size: number
  call: number
  /** What is left of it, ascending. */
  keep: readonly number[]
}

/** @internal */
export const APPROXIMATIONS = signature('approximations', ['analysis', ANALYSIS], ['removed', REMOVED])

/** The norms and means that compute over something else once the units of `removed` are gone. */
export function approximations(analysis: Analysis, removed: Removed): Approximation[] {
  APPROXIMATIONS.check(analysis, removed)
  const calls = new Map<string, number>()
  const found: Approximation[] = []
  for (const norm of analysis.norms) {
    if (norm.op.speculative) continue
    const axis = axisOf(analysis, norm)
    const operator = norm.op.name.replace('_fused_', '')
    const key = [operator, norm.dims, norm.dim, axis.size].join('|')
    const call = calls.get(key) ?? 0
    calls.set(key, call + 1)
    if (!changes(analysis, norm, axis, removed)) continue
    const { op, dims, dim } = norm
    const keep = keptCoordinates(axis, removed)
    found.push({ operator, scope: op.scope, dims, dim, size: axis.size, call, keep })
  }
  return found
}

/**
 * Edits that make the original compute its norms and means over what a plan keeps: the measure of an approximate cut. What a
 * norm no longer gives is put back as zeros.
 */
export function normsOverKept(
  analysis: Analysis,
  removed: Removed,
): Required<Pick<CutRequest, 'constants' | 'selects' | 'scatters'>> {
  const edits = new Map<string, { op: OpEntry; edit: NormEdits }>()
  for (const norm of analysis.norms) {
    const axis = axisOf(analysis, norm)
    if (!changes(analysis, norm, axis, removed)) continue
    const edit = editsOf(analysis, norm, axis, removed)
    const key = `${norm.op.node}.${norm.dim}`
    const known = edits.get(key)
    if (known && JSON.stringify(known.edit) !== JSON.stringify(edit)) {
      throw new EspalierError(
        'ERR_UNSUPPORTED',
        `${norm.op.name} in '${norm.op.scope}' runs several times over different axes, and can't be cut`,
      )
    }
    edits.set(key, { op: norm.op, edit })
  }
  const all = [...edits.values()].map(({ edit }) => edit)
  return {
    constants: all.flatMap(({ constants }) => constants),
    selects: all.flatMap(({ selects }) => selects),
    scatters: all.flatMap(({ scatters }) => scatters),
  }
}

interface NormEdits {
  constants: CutRequest['constants'][number][]
  selects: NonNullable<CutRequest['selects']>[number][]
  scatters: NonNullable<CutRequest['scatters']>[number][]
}

function axisOf(analysis: Analysis, { value, dim }: Norm): UnitAxis {
  return analysis.axesOf(value)?.[dim] as UnitAxis
}

/** Whether the operator notices that units are gone; a group norm does not when whole groups go. */
function changes(analysis: Analysis, { op }: Norm, axis: UnitAxis, removed: Removed): boolean {
  const lost = (start: number, end: number) => {
    let n = 0
    for (let i = start; i < end; i++) if (!survives(axis, i, removed)) n++
    return n
  }
  if (!axis.offsets || !analysis.live.has(op)) return false
  if (op.name !== 'aten::group_norm') return lost(0, axis.size) > 0
  const size = axis.size / groupsOf(analysis, op)
  for (let start = 0; start < axis.size; start += size) {
    const gone = lost(start, start + size)
    if (gone > 0 && gone < size) return true
  }
  return false
}

function groupsOf(analysis: Analysis, op: OpEntry): number {
  const id = op.inputs[op.argNames.indexOf('num_groups')]
  const value = typeof id === 'number' ? analysis.record.values[id] : undefined
  return value?.kind === 'int' ? (value.value as number) : 1
}

/** A norm reads what is kept of its input and affine parameters; a mean only of its input. */
function editsOf(analysis: Analysis, { op, dims, dim }: Norm, axis: UnitAxis, removed: Removed): NormEdits {
  const { node } = op
  const keep = Int32Array.from(keptCoordinates(axis, removed))
  const position = (argument: string) => op.argNames.indexOf(argument)
  const isTensor = (argument: string) => {
    const id = op.inputs[position(argument)]
    return typeof id === 'number' && analysis.record.values[id]?.kind === 'tensor'
  }
  const input = Math.max(position('input'), position('self'))
  const selects = [{ node, input, dim, keep }]
  if (position('eps') < 0) return { constants: [], selects, scatters: [] }
  // Affine parameters have the normalized dimensions; those of a group norm the channel alone.
  const own = dim - (dims[0] as number)
  for (const argument of ['weight', 'bias']) {
    if (isTensor(argument)) selects.push({ node, input: position(argument), dim: own, keep })
  }
  const constant =
    op.name === 'aten::group_norm'
      ? { node, input: position('num_groups'), value: groupsLeft(axis, groupsOf(analysis, op), removed) }
      : { node, input: position('normalized_shape'), element: own, value: keep.length }
  return { constants: [constant], selects, scatters: [{ node, output: 0, dim, size: axis.size, keep }] }
}

function groupsLeft(axis: UnitAxis, groups: number, removed: Removed): number {
  const size = axis.size / groups
  return new Set(keptCoordinates(axis, removed).map((i) => Math.floor(i / size))).size
}
