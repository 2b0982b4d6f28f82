import { EspalierError } from '../base/errors.js'
import { range } from '../base/numbers.js'
import { type Analysis, type ChannelGroup, keptCoordinates, keptSize, type Removed } from '../groups/index.js'
import { mustBeUnitsOf, unitCount, unitOffsets } from '../groups/widths.js'
import type { Scores } from '../importance/index.js'
import { countBytes } from '../measure/bytes.js'
import { countSize } from '../measure/count.js'
import type { Timings } from '../measure/forecast.js'
import { peakMemory } from '../measure/memory.js'
import { type Approximation, approximations } from './approximate.js'
import { BUDGETS, type BudgetOption } from './budgets/index.js'
import { chooseUnits } from './choose.js'
import { type LeaveOptions, leftAlone } from './leave.js'
import { nothingPrunable, refuseBesideBudget } from './refusals.js'
import { DESCRIBE_PLAN, MAKE_PLAN, UNITS_OF_PLAN } from './schemas.js'

/** How many units go, and of which groups: see {@link makePlan}. */
export interface PlanOptions extends LeaveOptions {
  /**
   * Fraction of units to remove, in [0, 1): `floor(ratio * n)` of each group (`ranking: 'local'`) or of all units in one
   * ranking (`'global'`). A function gives each group its own; `undefined` leaves the group alone. Outer units (heads,
   * convolution groups) are only removed where a function asks for it. Default 0.5 when there is no budget; beside one only a
   * function is taken, which leaves groups alone by `undefined` or 0.
   */
  ratio?: number | ((group: ChannelGroup) => number | undefined) | undefined
  /** Default `'local'`; with a budget, which always ranks globally, `'global'`. */
  ranking?: 'local' | 'global' | undefined
  /**
   * Targets of which all are met, at or below, within one unit: parts of the whole model in (0, 1], or amounts, such as
   * `{ macs: 0.5 }`, `{ params: 4e6 }`, `{ bytes: '10MB', memory: '25%' }`. `ratio` by default.
   */
  budget?: BudgetOption | undefined
  /** Fraction of each group that always stays, in (0, 1]; at least one unit does. Default 0.1. */
  minKeep?: number | undefined
  /**
   * Leave groups alone whose cut changes over what a norm or mean computes (layer norm, RMS norm, …). Default false: such a
   * cut is verified against the original with those norms over what is kept, and the plan names them.
   */
  exact?: boolean | undefined
}

/** Options of {@link makePlan}. */
export interface MakePlanOptions extends PlanOptions {
  /** What was measured of the model, for a budget of latency: as {@link Prunable.aim} gives it. None by default. */
  timings?: Timings | undefined
}

/** Which units go and what stays of each tensor. Plain data. */
export interface Plan {
  removed: readonly { group: number; units: readonly number[] }[]
  /** Kept coordinates, ascending, by name of the parameter or buffer and dimension; only dimensions that shrink. */
  keep: Readonly<Record<string, Readonly<Record<number, readonly number[]>>>>
  /**
   * Dimensions of `keep` whose removed slices the masked original keeps: directions of a weight norm, of which zero is none.
   * Their scales are zeroed.
   */
  directions: Readonly<Record<string, readonly number[]>>
  /** Before and after. */
  params: readonly [number, number]
  macs: readonly [number, number]
  /** Of the parameters and buffers. */
  bytes: readonly [number, number]
  /** Bytes of the inputs and intermediate values that a forward pass on the example inputs holds at once, at most. */
  memory: readonly [number, number]
  /** Milliseconds of a forward pass: as measured before, and as foretold; only for a budget of latency. */
  latency?: readonly [number, number]
  /** Norms and means that compute over what is left of an axis; none for an exact cut. */
  approximate: readonly Approximation[]
}

/**
 * Chooses the units to remove.
 *
 * @param scores by group id, a number for each unit: those with the smallest go first
 * @throws EspalierError ERR_NOTHING_PRUNABLE, ERR_INVALID_ARGUMENT (a ratio outside [0, 1), a budget that is none, both
 *   of them, a name in `keep` or `ignore` that nothing has), ERR_BUDGET (with the best that can be reached), ERR_NOT_FINITE (a NaN or infinite score)
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { analyse, makePlan } from 'espalier/analysis'
 *
 * using recording = await (await load('model.pt')).record([Tensor.zeros([1, 3, 8, 8])])
 * const plan = makePlan(analyse(recording.record), new Map([[0, [3, 1, 4, 2]]]), { ratio: 0.5 })
 * console.log(plan.removed, plan.params) // [ { group: 0, units: [ 1, 3 ] } ] [ 145, 75 ]
 * ```
 */
export function makePlan(analysis: Analysis, scores: Scores, options: MakePlanOptions = {}): Plan {
  MAKE_PLAN.check(analysis, scores, options)
  refuseBesideBudget(options)
  if (analysis.groups.length === 0) throw nothingPrunable(analysis)
  const removed = chooseUnits(analysis, scores, { ...options, left: leftAlone(analysis, options) })
  const plan = describePlan(analysis, removed)
  const { timings, budget } = options
  if (timings === undefined || budget?.latency === undefined) return plan
  return { ...plan, latency: [timings.whole, BUDGETS.latency.cost(analysis, removed, { timings })] }
}

/**
 * The plan that removes the given units, whatever their scores.
 *
 * @param removed as {@link removedUnits} gives them
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { analyse, describePlan, removedUnits } from 'espalier/analysis'
 *
 * using recording = await (await load('model.pt')).record([Tensor.zeros([1, 3, 8, 8])])
 * const analysis = analyse(recording.record)
 * const plan = describePlan(analysis, removedUnits(analysis, { removed: [{ group: 0, units: [1, 3] }] }))
 * console.log(plan.keep['fc.weight']) // { '1': [ 0, 2 ] }
 * ```
 */
export function describePlan(analysis: Analysis, removed: Removed): Plan {
  DESCRIBE_PLAN.check(analysis, removed)
  mustBeUnitsOf(analysis, removed)
  const offsets = unitOffsets(analysis)
  const before = countSize(analysis)
  const after = countSize(analysis, removed)
  const keep: Record<string, Record<number, number[]>> = {}
  analysis.record.values.forEach((value, id) => {
    if (value.kind !== 'tensor' || !value.names?.[0]) return
    analysis.axesOf(id)?.forEach((axis, dim) => {
      if (!axis.offsets || keptSize(axis, removed) === axis.size) return
      const name = value.names?.[0] as string
      keep[name] = { ...keep[name], [dim]: keptCoordinates(axis, removed) }
    })
  })
  return {
    removed: analysis.groups
      .map((group, g) => ({
        group: group.id,
        units: range(group.size).filter((u) => removed[(offsets[g] as number) + u] === 1),
      }))
      .filter(({ units }) => units.length > 0),
    keep,
    directions: directionsIn(analysis, keep),
    params: [before.params, after.params],
    macs: [before.macs, after.macs],
    bytes: [countBytes(analysis), countBytes(analysis, removed)],
    memory: [peakMemory(analysis), peakMemory(analysis, removed)],
    approximate: approximations(analysis, removed),
  }
}

function directionsIn({ groups }: Analysis, keep: Plan['keep']): Record<string, number[]> {
  const found: Record<string, number[]> = {}
  for (const { name, dim, use } of groups.flatMap(({ members }) => members)) {
    const known = found[name] ?? []
    if (use === 'direction' && keep[name]?.[dim] && !known.includes(dim)) found[name] = [...known, dim]
  }
  return found
}

/**
 * The units of a plan as a `Removed`: the inverse of {@link Plan.removed}.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for a unit or group that isn't there
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { removedUnits } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(removedUnits(analysis, { removed: [{ group: 0, units: [1, 3] }] })) // Uint8Array(4) [ 0, 1, 0, 1 ]
 * ```
 */
export function removedUnits(analysis: Analysis, plan: Pick<Plan, 'removed'>): Removed {
  UNITS_OF_PLAN.check(analysis, plan)
  const offsets = unitOffsets(analysis)
  const removed = new Uint8Array(unitCount(analysis))
  for (const { group, units } of plan.removed) {
    const size = analysis.groups[group]?.size ?? 0
    for (const unit of units) {
      if (!(unit >= 0 && unit < size)) {
        const message = `the plan removes unit ${unit} of group ${group}, which isn't there`
        throw new EspalierError('ERR_INVALID_ARGUMENT', message)
      }
      removed[(offsets[group] as number) + unit] = 1
    }
  }
  return removed
}
