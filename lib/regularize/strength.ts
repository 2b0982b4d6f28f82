import { type Description, descriptionOf } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import type { Coupling } from '../optim/penalty-term.js'
import { stabilityBound } from '../optim/stability.js'
import { largestCoefficient } from './coefficients.js'
import { filled } from './reg.js'
import type { RegularizerContext, RegularizerFactory } from './types.js'

/** The last penalty of a schedule, and the optimizer steps of its phase. */
export interface Reach {
  /** The penalty at the end of the growth. */
  ceiling: number
  iterations: number
}

/**
 * A regularizer that is told what it must reach in its phase instead of a penalty: a unit with the full penalty is left with
 * `10^-strength` of its weights by the penalty alone, whatever the optimizer, its learning rate and the length of the phase. A step takes
 * the part `lr * reg / (1 - momentum)` of a weight (decoupled: `lr * reg`), so that
 *
 *     mean of reg over the phase = strength * ln 10 / (steps * lr / (1 - momentum))
 *
 * with the largest learning rate of the schedule. No penalty goes above half of what is stable: what is then out of reach is told.
 *
 * @param mean the mean of the penalty over the phase, as a part of the last one
 * @param make the schedule with that last penalty
 */
export function withStrength(
  description: { name: string; strength: number; [option: string]: Description },
  { picks, coupling }: { picks: RegularizerFactory['picks']; coupling: Coupling | undefined },
  mean: number,
  make: (reach: Reach) => RegularizerFactory,
): RegularizerFactory {
  const { name, strength } = description
  return {
    name,
    picks,
    description,
    async attach(context) {
      const { iterations, stepping, onWarning } = context
      if (stepping === undefined) {
        throw new EspalierError('ERR_INVALID_ARGUMENT', `${name}: 'strength' needs 'stepping' in its context`)
      }
      if (iterations < 1) {
        throw new EspalierError('ERR_INVALID_ARGUMENT', `${name}: a phase of ${iterations} iterations has no strength`)
      }
      const decoupled = (coupling ?? (stepping.adaptive ? 'decoupled' : 'gradient')) === 'decoupled'
      const step = stepping.lr / (decoupled ? 1 : 1 - (stepping.momentum ?? 0))
      const wanted = (strength * Math.LN10) / (iterations * step * mean)
      const ceiling = Math.min(wanted, stablePenalty(context, decoupled))
      if (ceiling < wanted) {
        const reached = ((strength * ceiling) / wanted).toPrecision(2)
        onWarning?.(
          `${name}: the phase is too short for a strength of ${strength}: it reaches ${reached}, which is stable`,
        )
      }
      return make({ ceiling, iterations }).attach(context)
    },
  }
}

/** Half of the largest penalty of a unit at which no weight diverges, with all groups that meet in it. */
function stablePenalty({ groups, stepping = { lr: 0 } }: RegularizerContext, decoupled: boolean): number {
  const bound = decoupled ? 1 : stabilityBound(stepping)
  const most = bound / 2 / stepping.lr - (stepping.weightDecay ?? 0)
  return Math.max(0, most) / Math.max(1, largestCoefficient(groups, filled(groups, 1)))
}

/** @throws ERR_INVALID_ARGUMENT where another option says how strong the penalty is, too */
export function excludes(name: string, options: object, others: readonly string[]): void {
  const given = others.find((other) => (options as Record<string, unknown>)[other] !== undefined)
  if (given === undefined) return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `${name}: 'strength' and '${given}' exclude each other`)
}

/** Options as a description has them: functions by theirs. */
export function describedBy(name: string, options: object): { name: string; [option: string]: Description } {
  const entries = Object.entries(options).flatMap(([key, value]): [string, Description][] => {
    if (value === undefined) return []
    return [[key, typeof value === 'function' ? descriptionOf(value as () => void) : (value as Description)]]
  })
  return { name, ...Object.fromEntries(entries) }
}
