import { type Analysis, keptSize, type Removed } from '../groups/index.js'
import { unitCount, unitOffsets } from '../groups/widths.js'
import type { Scores } from '../importance/index.js'
import { countSize } from '../measure/count.js'
import { type Budget, looksAt, shortestWithin } from './budgets/budget.js'
import { askedOf } from './budgets/index.js'
import { madeEven } from './even.js'
import { type ChooseOptions, candidatesOf, floorOf, ranked, ratioOf, removable, removalOrder } from './ranking.js'
import { unreachable } from './refusals.js'

/** The units to remove: a part of each group, a part of all in one ranking, or as many as a budget asks for. */
export function chooseUnits(analysis: Analysis, scores: Scores, options: ChooseOptions): Removed {
  const offsets = unitOffsets(analysis)
  const choose = options.budget ? withinBudget : options.ranking === 'global' ? globalRatio : localRatio
  return keepEveryAxis(analysis, choose(analysis, scores, options, offsets), scores, offsets)
}

function localRatio(analysis: Analysis, scores: Scores, options: ChooseOptions, offsets: readonly number[]): Removed {
  const removed = new Uint8Array(unitCount(analysis))
  for (const group of analysis.groups) {
    const count = Math.min(floorOf(ratioOf(group, options), group.size), removable(group, options))
    for (const { unit } of ranked(candidatesOf(group, scores, offsets)).slice(0, count)) removed[unit] = 1
  }
  return removed
}

function globalRatio(analysis: Analysis, scores: Scores, options: ChooseOptions, offsets: readonly number[]): Removed {
  const open = analysis.groups.filter((group) => ratioOf(group, options) > 0)
  const total = open.reduce((n, group) => n + group.size * ratioOf(group, options), 0)
  const order = removalOrder(open, scores, options, offsets)
  const removed = new Uint8Array(unitCount(analysis))
  for (const { unit } of order.slice(0, floorOf(total, 1))) removed[unit] = 1
  return removed
}

/** The shortest prefix of the global ranking that meets all targets. */
function withinBudget(analysis: Analysis, scores: Scores, options: ChooseOptions, offsets: readonly number[]): Removed {
  const asked = askedOf(analysis, options.budget ?? {}, options)
  const open = analysis.groups.filter((group) => ratioOf(group, { ...options, ratio: options.ratio ?? 0.5 }) > 0)
  const order = removalOrder(open, scores, options, offsets)
  const prefix = (length: number): Removed => {
    const removed = new Uint8Array(unitCount(analysis))
    for (const { unit } of order.slice(0, length)) removed[unit] = 1
    return keepEveryAxis(analysis, removed, scores, offsets)
  }
  const even = (length: number): Removed => madeEven(analysis, prefix(length), scores, offsets)
  const monotone = asked.every(({ budget }) => budget.monotone)
  // Where narrow widths may be slower than wider ones, those that kernels like are tried, too.
  const ways = monotone ? [prefix] : [prefix, even]
  const cost = (budget: Budget, removed: Removed): number => budget.cost(analysis, removed, options)
  const found = ways.flatMap((way) => {
    const isWithin = (length: number): boolean => {
      const removed = way(length)
      return asked.every(({ budget, limit }) => cost(budget, removed) <= limit)
    }
    const length = shortestWithin(order.length, isWithin, monotone)
    return length === undefined ? [] : [way(length)]
  })
  // What takes the least away.
  const lost = (removed: Removed): number => order.reduce((sum, { unit, score }) => sum + removed[unit]! * score, 0)
  if (found.length > 0) return found.reduce((a, b) => (lost(b) < lost(a) ? b : a))
  const looks = ways.flatMap((way) => looksAt(order.length).map(way))
  const best = asked.map((each) => ({ ...each, best: Math.min(...looks.map((removed) => cost(each.budget, removed))) }))
  throw unreachable(best, countSize(analysis, prefix(order.length)))
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
