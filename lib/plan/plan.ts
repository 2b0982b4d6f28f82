import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { type Analysis, type ChannelGroup, keptCoordinates, keptSize, type Removed } from '../groups/index.js'
import { unitCount, unitOffsets } from '../groups/widths.js'
import type { Scores } from '../importance/index.js'
import { countSize, type Size } from '../measure/count.js'
import { type Approximation, approximations } from './approximate.js'
import { DESCRIBE_PLAN, MAKE_PLAN, UNITS_OF_PLAN } from './schemas.js'

export interface PlanOptions {
  /**
   * Fraction of units to remove, in [0, 1): `floor(ratio * n)` of each group (`scope: 'local'`) or of all units in one
   * ranking (`'global'`). A function gives each group its own; `undefined` leaves the group alone. Outer units (heads,
   * convolution groups) are only removed where a function asks for it. Default 0.5 when there is no budget.
   */
  ratio?: number | ((group: ChannelGroup) => number | undefined) | undefined
  /** Default `'local'`; a budget always ranks globally. */
  scope?: 'local' | 'global' | undefined
  /** Target as a fraction in (0, 1] of the model's MACs or parameters; met at or below, within one unit. */
  budget?: { macs: number; params?: undefined } | { params: number; macs?: undefined } | undefined
  /** Fraction of each group that always stays, in (0, 1]; at least one unit does. Default 0.1. */
  minKeep?: number | undefined
  /**
   * Leave groups alone whose cut changes over what a norm or mean computes (layer norm, RMS norm, …). Default false: such a
   * cut is verified against the original with those norms over what is kept, and the plan names them.
   */
  exact?: boolean | undefined
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
  /** Norms and means that compute over what is left of an axis; none for an exact cut. */
  approximate: readonly Approximation[]
}

interface Candidate {
  unit: number
  group: number
  score: number
}

/**
 * Chooses the units to remove.
 *
 * @throws EspalierError `ERR_NOTHING_PRUNABLE`, `ERR_INVALID_ARGUMENT` (a ratio outside [0, 1), a budget outside (0, 1]),
 * `ERR_BUDGET` (with the best that can be reached), `ERR_NOT_FINITE` (a NaN or infinite score).
 */
export function makePlan(analysis: Analysis, scores: Scores, options: PlanOptions = {}): Plan {
  MAKE_PLAN.check(analysis, scores, options)
  if (analysis.groups.length === 0) throw nothingPrunable(analysis)
  const offsets = unitOffsets(analysis)
  const removed = options.budget
    ? meetBudget(analysis, scores, options, offsets)
    : options.scope === 'global'
      ? globalRatio(analysis, scores, options, offsets)
      : localRatio(analysis, scores, options, offsets)
  return describePlan(analysis, keepEveryAxis(analysis, removed, scores, offsets))
}

/** The plan that removes the given units, whatever their scores. */
export function describePlan(analysis: Analysis, removed: Removed): Plan {
  DESCRIBE_PLAN.check(analysis, removed)
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

/** The inverse of {@link Plan.removed}. */
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

function localRatio(analysis: Analysis, scores: Scores, options: PlanOptions, offsets: readonly number[]): Removed {
  const removed = new Uint8Array(unitCount(analysis))
  for (const group of analysis.groups) {
    const count = Math.min(floorOf(ratioOf(group, options), group.size), removable(group, options))
    for (const { unit } of ranked(candidatesOf(group, scores, offsets)).slice(0, count)) removed[unit] = 1
  }
  return removed
}

function globalRatio(analysis: Analysis, scores: Scores, options: PlanOptions, offsets: readonly number[]): Removed {
  const open = analysis.groups.filter((group) => ratioOf(group, options) > 0)
  const total = open.reduce((n, group) => n + group.size * ratioOf(group, options), 0)
  const order = removalOrder(open, scores, options, offsets)
  const removed = new Uint8Array(unitCount(analysis))
  for (const { unit } of order.slice(0, floorOf(total, 1))) removed[unit] = 1
  return removed
}

/** The shortest prefix of the global ranking that meets the target; a longer prefix never costs more. */
function meetBudget(analysis: Analysis, scores: Scores, options: PlanOptions, offsets: readonly number[]): Removed {
  const what = options.budget?.macs !== undefined ? 'macs' : 'params'
  const fraction = options.budget?.[what] as number
  const open = analysis.groups.filter((group) => ratioOf(group, { ...options, ratio: options.ratio ?? 0.5 }) > 0)
  const order = removalOrder(open, scores, options, offsets)
  const prefix = (k: number): Removed => {
    const removed = new Uint8Array(unitCount(analysis))
    for (const { unit } of order.slice(0, k)) removed[unit] = 1
    return keepEveryAxis(analysis, removed, scores, offsets)
  }
  const whole = countSize(analysis)[what]
  const target = fraction * whole
  const cost = (k: number): number => countSize(analysis, prefix(k))[what]
  const best = cost(order.length)
  if (best > target) throw unreachable(what, fraction, best / whole, countSize(analysis, prefix(order.length)))
  let [low, high] = [0, order.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (cost(middle) <= target) high = middle
    else low = middle + 1
  }
  return prefix(low)
}

function nothingPrunable({ record, topReasons }: Analysis): EspalierError {
  const quantized = record.ops.find(({ name }) => name.startsWith('quantized::'))
  if (quantized !== undefined) {
    const words = `the model is quantized: its weights are packed inside of operators (${quantized.name}) and can't be cut`
    return new EspalierError('ERR_NOTHING_PRUNABLE', words, {
      hint: 'Prune the model that it was made of, and quantize the small one.',
    })
  }
  const reasons = topReasons
    .slice(0, 3)
    .map(({ reason }) => [reason.kind, reason.operator].filter(Boolean).join(' by '))
  return new EspalierError('ERR_NOTHING_PRUNABLE', 'the model has no group of channels that can be pruned', {
    detail: `frozen by: ${reasons.join('; ') || 'nothing (no parameters)'}`,
  })
}

function unreachable(what: string, fraction: number, best: number, size: Size): EspalierError {
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`
  return new EspalierError(
    'ERR_BUDGET',
    `the budget of ${percent(fraction)} of the ${what} can't be met: the best possible is ${percent(best)}`,
    {
      detail: `the smallest model has ${size.params} parameters and ${size.macs} MACs`,
      hint: 'lower minKeep, raise the budget, or look at why groups are frozen',
    },
  )
}

/** All units that may go, weakest first, no group beyond its minimum. */
function removalOrder(
  groups: readonly ChannelGroup[],
  scores: Scores,
  options: PlanOptions,
  offsets: readonly number[],
): Candidate[] {
  return ranked(
    groups.flatMap((group) => ranked(candidatesOf(group, scores, offsets)).slice(0, removable(group, options))),
  )
}

function candidatesOf(group: ChannelGroup, scores: Scores, offsets: readonly number[]): Candidate[] {
  const own = scores.get(group.id)
  if (own?.length !== group.size) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      `group ${group.id} has ${group.size} units but ${own?.length ?? 'no'} scores`,
    )
  }
  return range(group.size).map((u) => {
    const score = own[u] as number
    if (!Number.isFinite(score)) {
      throw new EspalierError(
        'ERR_NOT_FINITE',
        `the score of unit ${u} of group ${group.id} (${group.scopes[0] ?? ''}) is ${score}`,
      )
    }
    return { unit: (offsets[group.id] as number) + u, group: group.id, score }
  })
}

/** Weakest first; ties go by lower group, then lower index. */
function ranked(candidates: readonly Candidate[]): Candidate[] {
  return [...candidates].sort((a, b) => a.score - b.score || a.unit - b.unit)
}

function ratioOf(group: ChannelGroup, options: PlanOptions): number {
  const { ratio = 0.5, exact = false } = options
  if (exact && !group.exact) return 0
  const outer = group.kind === 'heads' || group.kind === 'conv-groups'
  const own = typeof ratio === 'function' ? (ratio(group) ?? 0) : outer ? 0 : ratio
  if (typeof own === 'number' && own >= 0 && own < 1) return own
  const message = `the function 'ratio' must give a number from 0 to below 1 or undefined, not ${shown(own)}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message)
}

/** How many units of a group may go at most. */
function removable(group: ChannelGroup, options: PlanOptions): number {
  const { minKeep = 0.1 } = options
  return group.size - Math.max(1, Math.ceil(minKeep * group.size - 1e-9))
}

/** floor(ratio * n), where 0.3 * 10 is 3. */
function floorOf(ratio: number, n: number): number {
  return Math.floor(ratio * n + 1e-9)
}

/** No dimension of any value may lose its last coordinate: the strongest unit of one that would comes back. */
function keepEveryAxis(analysis: Analysis, removed: Removed, scores: Scores, offsets: readonly number[]): Removed {
  const kept = removed.slice()
  const scoreOf = (unit: number): number => {
    const g = analysis.groups.findIndex(({ size }, i) => unit < (offsets[i] as number) + size)
    return scores.get(g)?.[unit - (offsets[g] as number)] ?? 0
  }
  const axes = new Set(analysis.record.values.flatMap((_, id) => analysis.axesOf(id) ?? []))
  for (const axis of axes) {
    while (axis.offsets && axis.size > 0 && keptSize(axis, kept) === 0) {
      const gone = [...new Set(axis.units)].filter((unit) => kept[unit] === 1)
      const best = gone.reduce((a, b) => (scoreOf(b) > scoreOf(a) ? b : a))
      kept[best] = 0
    }
  }
  return kept
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i)
}
