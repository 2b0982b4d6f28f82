import { EspalierError } from '../base/errors.js'
import { signature } from '../base/schema/index.js'
import { Polynomial } from '../sizes/polynomial.js'
import { type Analysis, keptSize, type Removed, type UnitAxis, type ValueId } from './index.js'
import { ANALYSIS } from './schemas.js'

/** Shapes of all values of a record once some units are gone. */
export class Widths {
  readonly analysis: Analysis
  readonly removed: Removed
  private readonly sizes = new Map<UnitAxis, number>()

  constructor(analysis: Analysis, removed: Removed) {
    this.analysis = analysis
    this.removed = removed
  }

  /** Shape of a tensor value after the cut; that of the record where the analysis says nothing about it. */
  shape(id: ValueId): readonly number[] {
    const axes = this.analysis.axesOf(id)
    if (axes) return axes.map((axis) => this.size(axis))
    const value = this.analysis.record.values[id]
    return value?.kind === 'tensor' ? value.shape : []
  }

  /** Length of a dimension after the cut, for any input. */
  length(id: ValueId, dim: number): Polynomial {
    const was = this.analysis.lengths.length(id, dim)
    const axis = this.analysis.axesOf(id)?.[dim]
    const size = axis ? this.size(axis) : undefined
    if (!axis || size === undefined || size === axis.size) return was
    if (was.value !== undefined) return Polynomial.constant(size)
    return was.scaled(size, axis.size) ?? this.analysis.lengths.symbols.of(`${was.key} * ${size} / ${axis.size}`)
  }

  size(axis: UnitAxis): number {
    if (!axis.offsets) return axis.size
    const known = this.sizes.get(axis)
    if (known !== undefined) return known
    const size = keptSize(axis, this.removed)
    this.sizes.set(axis, size)
    return size
  }
}

/** @internal */
export const UNIT_COUNT = signature('unitCount', ['analysis', ANALYSIS])

/**
 * Number of units over all groups: the length of a `Removed`.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { unitCount } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(unitCount(analysis)) // 4
 * ```
 */
export function unitCount(analysis: Analysis): number {
  UNIT_COUNT.check(analysis)
  return analysis.groups.reduce((n, group) => n + group.size, 0)
}

/** @throws ERR_INVALID_ARGUMENT for units of another model: there is one flag for each unit, or none at all */
export function mustBeUnitsOf(analysis: Analysis, { length }: Removed): void {
  const units = unitCount(analysis)
  if (length === 0 || length === units) return
  const message = `'removed' must tell of ${units} units, as removedUnits() does for this model, not of ${length}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message)
}

/** Position of each group's first unit among all units. */
export function unitOffsets(analysis: Analysis): number[] {
  const offsets: number[] = []
  let next = 0
  for (const group of analysis.groups) {
    offsets.push(next)
    next += group.size
  }
  return offsets
}
