/** The second half of GReg: the chosen units are pushed down until every group is done, then the penalty is held. */
import { type ClosedLoopOptions, closedLoop, filledIn, type LoopMemory } from './closed-loop.js'
import type { Growth, Moment } from './schedule.js'
import type { Reg, RemovedUnits } from './types.js'

export interface PushOptions {
  /** Penalty at which a group is done, above 0; the unit of weight decay. */
  ceiling: number
  /**
   * Mean |w| of the kept units over that of the chosen ones at which a group is done before, above 1; smoothed over growth
   * steps (0.9 of the old one). Not looked at by default.
   */
  ratio?: number | undefined
  /** Optimizer steps for which the penalty is held when all groups are done; to the end of the phase by default. */
  stabilize?: number | undefined
  /** Growth in a closed loop: needs validation data. Off by default. */
  closedLoop?: ClosedLoopOptions | undefined
}

/** What the push remembers: plain data. */
export interface PushMemory extends LoopMemory {
  /** Penalty of the chosen units, by group. */
  levels: readonly number[]
  /** Smoothed ratio of kept to chosen, by group. */
  ratios: readonly number[]
  done: readonly boolean[]
  /** Optimizer steps so far when the last group was done; `null` before. */
  held: number | null
}

const SMOOTHING = 0.9

export interface Push {
  start(groups: number, level: number): PushMemory
  /** One step of at most `step` on every group that is not done. */
  step(before: Growth<PushMemory>, moment: Moment, step: number, base: Reg): Promise<Growth<PushMemory>>
}

/** The part of a description that a push has. */
export const describePush = ({ ratio, stabilize, closedLoop }: Omit<PushOptions, 'ceiling'>) => ({
  ratio: ratio ?? null,
  stabilize: stabilize ?? null,
  closedLoop: closedLoop === undefined ? null : filledIn(closedLoop),
})

export function push(options: PushOptions): Push {
  const { ceiling, ratio: limit, stabilize } = options
  const loop = closedLoop(options.closedLoop)

  return {
    start: (groups, level) => ({
      ...loop.start,
      levels: new Array(groups).fill(level),
      ratios: new Array(groups).fill(1),
      done: new Array(groups).fill(false),
      held: null,
    }),
    async step(before, moment, step, base) {
      const { memory, removed = [] } = before
      if (memory.held !== null) {
        const over = stabilize !== undefined && moment.iteration - memory.held >= stabilize
        return over ? { ...before, stage: 'done' } : before
      }
      const { base: start, speed } = await loop.look(memory, moment)
      const ratios = limit === undefined ? memory.ratios : smoothed(memory.ratios, await ratiosNow(moment, removed))
      const chosen = new Set(removed.map(({ group }) => group))
      const levels = memory.levels.map((level, g) => (memory.done[g] ? level : Math.min(ceiling, level + step * speed)))
      const done = levels.map(
        (level, g) =>
          memory.done[g]! || !chosen.has(g) || level >= ceiling || ratios[g]! >= (limit ?? Number.POSITIVE_INFINITY),
      )
      const over = done.every(Boolean)
      return {
        reg: pushed(base, removed, levels),
        stage: over ? 'stabilize' : 'push',
        removed,
        memory: { base: start, speed, levels, ratios, done, held: over ? moment.iteration : null },
      }
    },
  }
}

/** The penalties `base`, with the chosen units at the level of their group. */
export function pushed(base: Reg, removed: readonly RemovedUnits[], levels: readonly number[]): Float32Array[] {
  const reg = base.map((ofGroup) => Float32Array.from(ofGroup))
  for (const { group, units } of removed) for (const unit of units) reg[group]![unit] = levels[group]!
  return reg
}

/** A ratio that is no number (a weight is NaN, or nothing is left of either) leaves the old one as it is. */
const smoothed = (old: readonly number[], now: readonly number[]): number[] =>
  old.map((ratio, g) => (Number.isFinite(now[g]) ? SMOOTHING * ratio + (1 - SMOOTHING) * now[g]! : ratio))

/** Mean |w| of a kept unit over that of a chosen one, by group; 1 where nothing is chosen. */
async function ratiosNow(moment: Moment, removed: readonly RemovedUnits[]): Promise<number[]> {
  const sums = await moment.sums('abs')
  const ratios: number[] = sums.map(() => 1)
  for (const { group, units } of removed) {
    const ofGroup = sums[group]!
    const total = ofGroup.reduce((a, b) => a + b, 0)
    const gone = units.reduce((sum, unit) => sum + ofGroup[unit]!, 0)
    const kept = (total - gone) / (ofGroup.length - units.length)
    ratios[group] = Math.min(kept / (gone / units.length), Number.MAX_VALUE)
  }
  return ratios
}
