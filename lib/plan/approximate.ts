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
import { mustBeUnitsOf } from '../groups/widths.js'

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

/**
 * The norms and means that compute over something else once the units of `removed` are gone; none for an exact cut.
 *
 * @param removed as `removedUnits` gives them
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { approximations, removedUnits } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(approximations(analysis, removedUnits(analysis, { removed: [{ group: 0, units: [0] }] }))) // []
 * ```
 */
export function approximations(analysis: Analysis, removed: Removed): Approximation[] {
  APPROXIMATIONS.check(analysis, removed)
  mustBeUnitsOf(analysis, removed)
  const calls = new Map<string, number>()
  const found: Approximation[] = []
  for (const norm of analysis.norms) {
    if (norm.op.speculative || norm.exact) continue
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

/** @internal The axis that is cut. */
export function axisOf(analysis: Analysis, { value, dim }: Norm): UnitAxis {
  return analysis.axesOf(value)?.[dim] as UnitAxis
}

/** @internal Whether the operator notices that units are gone; a group norm does not when whole groups go. */
export function changes(analysis: Analysis, { op }: Norm, axis: UnitAxis, removed: Removed): boolean {
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
