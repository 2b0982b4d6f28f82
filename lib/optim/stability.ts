import { EspalierError } from '../base/errors.js'
import { flag, func, maybe, number, object, signature } from '../base/schema/index.js'
import { COUPLING, type Coupling } from './penalty-term.js'

/** How an optimizer steps, as far as stability under a penalty depends on it. */
export interface Stepping {
  /** The schedule's largest learning rate, above 0. */
  lr: number
  /** 0..1; 0 by default. */
  momentum?: number | undefined
  /** Nesterov's form of momentum; false by default. */
  nesterov?: boolean | undefined
  /** 0 or more; 0 by default. */
  weightDecay?: number | undefined
  /** Whether steps are scaled by the size of gradients (Adam): a penalty in the gradient is normalised away then. False by default. */
  adaptive?: boolean | undefined
}

/** @internal */
export const STEPPING = object<Stepping>({
  lr: number({ min: 0 }),
  momentum: maybe(number({ min: 0, max: 1 })),
  nesterov: maybe(flag),
  weightDecay: maybe(number({ min: 0 })),
  adaptive: maybe(flag),
})
/** @internal */
export const STABILITY_BOUND = signature('stabilityBound', ['stepping', STEPPING])
/** @internal */
export const CHECK_STABILITY = signature(
  'checkStability',
  ['penalty', number({ min: 0 })],
  ['stepping', maybe(STEPPING)],
  ['onWarning', maybe(func<(message: string) => void>())],
  ['coupling', COUPLING],
)

/**
 * The largest `lr * (sum of reg on an element + weight decay)` for which the step on a quadratic doesn't diverge:
 * `2(1+m)` with heavy-ball momentum, `2(1+m)/(1+2m)` with Nesterov's (the characteristic polynomial's root at -1).
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { stabilityBound } from 'espalier/analysis'
 *
 * console.log(stabilityBound({ lr: 0.1 }), stabilityBound({ lr: 0.1, momentum: 0.5 })) // 2 3
 * ```
 */
export function stabilityBound(stepping: Stepping): number {
  STABILITY_BOUND.check(stepping)
  const { momentum = 0, nesterov = false } = stepping
  return (2 * (1 + momentum)) / (nesterov ? 1 + 2 * momentum : 1)
}

/**
 * Refuses a penalty that would make training diverge and warns above half of the bound, since the loss's own curvature adds to
 * it. A decoupled penalty must not shrink a weight past zero: bound 1.
 *
 * @param penalty the largest coefficient that any element reaches, 0 or more
 * @param stepping nothing is checked without it
 * @param coupling `gradient` by default
 * @throws EspalierError ERR_INVALID_ARGUMENT for a penalty at which training would diverge
 * @example
 * ```ts
 * import { checkStability } from 'espalier/analysis'
 *
 * checkStability(15, { lr: 0.1 }, (warning) => console.log(warning.includes('diverge'))) // true
 * ```
 */
export function checkStability(
  penalty: number,
  stepping: Stepping | undefined,
  onWarning: ((message: string) => void) | undefined,
  coupling: Coupling = 'gradient',
): void {
  CHECK_STABILITY.check(penalty, stepping, onWarning, coupling)
  if (stepping === undefined) return
  if (stepping.adaptive && coupling === 'gradient') {
    onWarning?.("an adaptive optimizer normalises a penalty in the gradient away: use coupling: 'decoupled'")
    return
  }
  const bound = coupling === 'decoupled' ? 1 : stabilityBound(stepping)
  const reached = stepping.lr * (penalty + (stepping.weightDecay ?? 0))
  const words =
    `the penalty reaches ${rounded(penalty)}: with a learning rate of ${stepping.lr} that is ${rounded(reached)}, ` +
    `and training diverges above ${rounded(bound)}`
  if (!(reached <= bound)) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'Lower the final penalty or the learning rate.' })
  }
  if (reached > bound / 2) onWarning?.(`${words}; the loss's own curvature adds to it`)
}

const rounded = (x: number): number => Number(x.toPrecision(3))
