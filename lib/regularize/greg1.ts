import { EspalierError } from '../base/errors.js'
import { count, maybe, number, object, signature } from '../base/schema/index.js'
import { COUPLING, type Coupling } from '../optim/penalty-term.js'
import { CLOSED_LOOP, type ClosedLoopOptions } from './closed-loop.js'
import { describePush, type PushMemory, push, pushed } from './push.js'
import { filled, marked } from './reg.js'
import { scheduled } from './scheduled.js'
import { describedBy, excludes, withStrength } from './strength.js'
import type { RegularizerContext, RegularizerFactory } from './types.js'

/** Options of {@link greg1}. */
export interface GReg1Options {
  /** Penalty at the end of the growth, above 0; 1 by default. The unit of weight decay. */
  ceiling?: number | undefined
  /** Optimizer steps between two growth steps, 1 or more; 5 by default. */
  updateEvery?: number | undefined
  /**
   * Part of the regularized phase in which the penalty grows to `ceiling`, in (0, 1]; 0.6 by default. Then it is held.
   * Not together with `granularity`.
   */
  growFraction?: number | undefined
  /**
   * Growth per step, above 0, whatever the length of the phase; by default it follows from `growFraction`, and they exclude
   * each other.
   */
  granularity?: number | undefined
  /** Optimizer steps before the growth starts, 0 or more; 0 by default. */
  warmup?: number | undefined
  /** A group is done when its kept units are this many times as large as the chosen ones, above 1; not looked at by default. */
  ratio?: number | undefined
  /**
   * Optimizer steps for which the penalty is held when all groups are done, 0 or more: then the phase ends. By default it
   * is held to the end of the phase.
   */
  stabilize?: number | undefined
  /** Growth in a closed loop: steps grow while held-out accuracy stays, and wait while it is gone. Off by default. */
  closedLoop?: ClosedLoopOptions | undefined
  /**
   * What the penalty alone makes of a chosen unit over the phase, in powers of ten: 4 leaves 1e-4 of its weights, for any optimizer, learning rate and
   * length of the phase. Above 0; not given by default. In the place of `ceiling` and `granularity`.
   */
  strength?: number | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/** @internal */
export const GREG1 = signature('greg1', [
  'options',
  object<GReg1Options>({
    ceiling: maybe(number({ above: 0 })),
    updateEvery: maybe(count()),
    growFraction: maybe(number({ above: 0, max: 1 })),
    granularity: maybe(number({ above: 0 })),
    warmup: maybe(count(0)),
    ratio: maybe(number({ min: 1 })),
    stabilize: maybe(count(0)),
    closedLoop: maybe(CLOSED_LOOP),
    strength: maybe(number({ above: 0 })),
    coupling: maybe(COUPLING),
  }),
])

/**
 * The published preset of GReg-1, for phases of 10^4 to 10^5 iterations.
 *
 * Source: Wang et al., Neural Pruning via Growing Regularization (ICLR 2021), section 4 and the authors' settings.
 *
 * @example
 * ```ts
 * import { GREG1_PUBLISHED, greg1 } from 'espalier/analysis'
 *
 * console.log(greg1(GREG1_PUBLISHED).name) // greg-1
 * ```
 */
export const GREG1_PUBLISHED = {
  ceiling: 1,
  granularity: 1e-4,
  updateEvery: 5,
  ratio: 1000,
  stabilize: 10_000,
} as const satisfies GReg1Options

/**
 * GReg-1 at the level of groups: the units to remove are chosen at the start, and only their penalty grows, by default
 * linearly from 0 to `ceiling` over the first `growFraction` of the regularized phase; then it is held. It acts on every
 * parameter slice of these units, so that nothing is left of them to lose at the cut.
 *
 * Source: Wang et al., Neural Pruning via Growing Regularization (ICLR 2021), algorithm 1.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range; when attached, for a phase shorter than one growth
 *   step, or no chosen units
 * @example
 * ```ts
 * import { greg1, load, sgd, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const { regularizer } = await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   regularizer: greg1({ ceiling: 1, updateEvery: 5 }),
 *   sparse: { epochs: 20, optimizer: sgd({ lr: 0.05, momentum: 0.9 }) },
 * })
 * console.log(regularizer.stage, regularizer.reg) // stabilize [ [ 1, 1, 0, 0 ] ]
 * ```
 */
export function greg1(options: GReg1Options = {}): RegularizerFactory {
  GREG1.check(options)
  const { strength, ...rest } = options
  if (strength !== undefined) {
    excludes('greg1', options, ['ceiling', 'granularity'])
    const { growFraction = 0.6, coupling } = rest
    const made = { picks: 'start', coupling } as const
    // Linear growth, then held.
    return withStrength({ ...describedBy('greg-1', rest), strength }, made, 1 - growFraction / 2, ({ ceiling }) =>
      greg1({ ...rest, ceiling }),
    )
  }
  const { ceiling = 1, updateEvery = 5, growFraction = 0.6, granularity, warmup = 0, coupling } = options
  const { ratio, stabilize, closedLoop } = options
  if (options.granularity !== undefined && options.growFraction !== undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "greg1: 'granularity' and 'growFraction' exclude each other")
  }
  const rule = push({ ceiling, ratio, stabilize, closedLoop })

  /** The growth steps in which a phase of that length reaches the end. */
  const stepsOf = ({ iterations }: RegularizerContext): number =>
    Math.max(1, Math.floor((iterations * growFraction) / updateEvery))
  return scheduled<PushMemory>({
    ...{ name: 'greg-1', picks: 'start', updateEvery, coupling },
    description: {
      ...{ name: 'greg-1', ceiling, updateEvery, warmup, coupling: coupling ?? null },
      ...(granularity === undefined ? { growFraction } : { granularity }),
      ...describePush({ ratio, stabilize, closedLoop }),
    },
    start({ groups, removed, iterations }) {
      if (removed === undefined) {
        const words = "greg1 needs the units to remove: pass 'removed', a plan's choice"
        throw new EspalierError('ERR_INVALID_ARGUMENT', words)
      }
      if (!(iterations >= updateEvery)) {
        const words = `the regularized phase has ${iterations} iterations, fewer than one growth step (updateEvery: ${updateEvery})`
        throw new EspalierError('ERR_INVALID_ARGUMENT', words)
      }
      marked(groups, removed)
      const reg = filled(groups, 0)
      return { reg, stage: 'push', removed, memory: rule.start(reg.length, 0) }
    },
    async grow(before, moment) {
      if (moment.iteration < warmup) return before
      const step = granularity ?? ceiling / stepsOf(moment.context)
      return rule.step(before, moment, step, filled(moment.context.groups, 0))
    },
    highest: ({ groups, removed = [] }) =>
      pushed(
        filled(groups, 0),
        removed,
        groups.groups.map(() => ceiling),
      ),
  })
}
