import { EspalierError } from '../errors.js'
import { atLeast, count, inRange } from '../options.js'
import { type Schedule, Scheduled } from './scheduled.js'
import type { RegularizerContext, RegularizerFactory } from './types.js'

export interface GReg1Options {
  /** Penalty at the end of the growth, above 0; 1 by default. The unit of weight decay. */
  finalReg?: number | undefined
  /** Optimizer steps between two growth steps, 1 or more; 5 by default. */
  updateEvery?: number | undefined
  /** Part of the regularized phase in which the penalty grows, in (0, 1]; 0.6 by default. Then it is held. */
  growFraction?: number | undefined
}

/**
 * GReg-1 at the level of groups: the units to remove are chosen at the start, and only their penalty grows, linearly from 0
 * to `finalReg` over the first `growFraction` of the regularized phase; then it is held. It acts on every parameter slice
 * of these units, so that nothing is left of them to lose at the cut.
 *
 * Source: Wang et al., Neural Pruning via Growing Regularization (ICLR 2021), algorithm 1, with the growth given as a
 * fraction of the phase.
 *
 * @throws ERR_INVALID_ARGUMENT for an option out of its range, a phase shorter than one growth step, or no chosen units
 */
export function greg1(options: GReg1Options = {}): RegularizerFactory {
  const finalReg = atLeast('finalReg', options.finalReg ?? 1, 0)
  const updateEvery = count('updateEvery', options.updateEvery ?? 5)
  const growFraction = inRange('growFraction', options.growFraction ?? 0.6, Number.MIN_VALUE, 1)
  return {
    name: 'greg1',
    picks: 'start',
    async attach(context) {
      const chosen = chosenUnits(context)
      const steps = growthSteps(context.iterations, updateEvery, growFraction)
      const at = (updates: number): Float32Array[] =>
        chosen.map((mask) => mask.map((picked) => picked * finalReg * Math.min(1, updates / steps)))
      const schedule: Schedule = {
        name: 'greg1',
        updateEvery,
        start: at(0),
        highest: finalReg,
        touched: chosen,
        grow: async (_before, updates) => at(updates),
      }
      return Scheduled.attach(schedule, context)
    },
  }
}

/** 1 for every unit that goes, 0 for every unit that stays, by group id. */
function chosenUnits({ groups, removed }: RegularizerContext): Float32Array[] {
  if (removed === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "greg1 needs the units to remove: pass 'removed', a plan's choice")
  }
  const chosen = groups.groups.map(({ size }) => new Float32Array(size))
  for (const { group, units } of removed) {
    for (const unit of units) {
      if (chosen[group]?.[unit] === undefined) {
        throw new EspalierError(
          'ERR_INVALID_ARGUMENT',
          `'removed' names unit ${unit} of group ${group}, which isn't there`,
        )
      }
      chosen[group][unit] = 1
    }
  }
  return chosen
}

function growthSteps(iterations: number, updateEvery: number, growFraction: number): number {
  if (!(iterations >= updateEvery)) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      `the regularized phase has ${iterations} iterations, fewer than one growth step (updateEvery: ${updateEvery})`,
    )
  }
  return Math.max(1, Math.floor((iterations * growFraction) / updateEvery))
}
