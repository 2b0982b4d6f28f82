import { EspalierError } from '../base/errors.js'
import { count, maybe, number, object, signature } from '../base/schema/index.js'
import { COUPLING, type Coupling } from '../optim/penalty-term.js'
import { CLOSED_LOOP, type ClosedLoopOptions } from './closed-loop.js'
import { describePush, type PushMemory, push } from './push.js'
import { filled } from './reg.js'
import { scheduled } from './scheduled.js'
import { describedBy, excludes, withStrength } from './strength.js'
import type { RegularizerFactory } from './types.js'

/** Options of {@link greg2}. */
export interface GReg2Options {
  /** Optimizer steps between two growth steps, 1 or more; 5 by default. */
  updateEvery?: number | undefined
  /** Growth per step of all units before the choice, above 0; 1e-5 by default. The unit of weight decay. */
  pickGranularity?: number | undefined
  /** The penalty of all units at which the choice is made, above 0; 1e-2 by default. */
  pickCeiling?: number | undefined
  /** Growth per step of the chosen units after it, above 0; 1e-4 by default. */
  granularity?: number | undefined
  /** Penalty of the chosen units at which a group is done, at least `pickCeiling`; 1 by default. */
  ceiling?: number | undefined
  /**
   * What the kept units get back after the choice, 0 or more, 1e-4 by default; at most the optimizer's weight decay, without
   * which it is nothing.
   */
  recover?: number | undefined
  /** Optimizer steps before the growth starts, 0 or more; 0 by default. */
  warmup?: number | undefined
  /** As {@link GReg1Options.ratio}; not looked at by default. */
  ratio?: number | undefined
  /** As {@link GReg1Options.stabilize}; to the end of the phase by default. */
  stabilize?: number | undefined
  /** As {@link GReg1Options.closedLoop}, after the choice; off by default. */
  closedLoop?: ClosedLoopOptions | undefined
  /**
   * What the penalty alone makes of a chosen unit over the phase, in powers of ten: 4 leaves 1e-4 of its weights, for any optimizer, learning rate and
   * length of the phase. Above 0; not given by default. In the place of the ceilings and granularities: the choice comes after a tenth of the phase, the ceiling after six.
   */
  strength?: number | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/** @internal */
export const GREG2 = signature('greg2', [
  'options',
  object<GReg2Options>({
    updateEvery: maybe(count()),
    pickGranularity: maybe(number({ above: 0 })),
    pickCeiling: maybe(number({ above: 0 })),
    granularity: maybe(number({ above: 0 })),
    ceiling: maybe(number({ above: 0 })),
    recover: maybe(number({ min: 0 })),
    warmup: maybe(count(0)),
    ratio: maybe(number({ min: 1 })),
    stabilize: maybe(count(0)),
    closedLoop: maybe(CLOSED_LOOP),
    strength: maybe(number({ above: 0 })),
    coupling: maybe(COUPLING),
  }),
])

/**
 * The published preset of GReg-2, for phases of 10^4 to 10^5 iterations.
 *
 * Source: Wang et al., Neural Pruning via Growing Regularization (ICLR 2021), section 4 and the authors' settings.
 *
 * @example
 * ```ts
 * import { GREG2_PUBLISHED, greg2 } from 'espalier/analysis'
 *
 * console.log(greg2(GREG2_PUBLISHED).name) // greg-2
 * ```
 */
export const GREG2_PUBLISHED = {
  updateEvery: 5,
  pickGranularity: 1e-5,
  pickCeiling: 1e-2,
  granularity: 1e-4,
  ceiling: 1,
  recover: 1e-4,
  ratio: 1000,
  stabilize: 10_000,
} as const satisfies GReg2Options

/** Penalty at the choice by that at the end, as published. */
const PICK = 1e-2

/**
 * GReg-2 at the level of groups: the same penalty grows on all units first; how far each gives way under it shows how much
 * the loss holds on to it. When it reaches `pickCeiling` the units to remove are chosen by what is left of them, and from
 * then on they are pushed down as in {@link greg1}, while the kept ones get some of their weight decay back.
 *
 * Source: Wang et al., Neural Pruning via Growing Regularization (ICLR 2021), algorithm 2 and section 3.2.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { greg2, load, sgd, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const { regularizer } = await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   regularizer: greg2({ updateEvery: 1, pickGranularity: 1e-3, granularity: 0.1 }),
 *   sparse: { epochs: 30, optimizer: sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-4 }) },
 * })
 * console.log(regularizer.stage, regularizer.removed![0]!.units.length) // stabilize 2
 * ```
 */
export function greg2(options: GReg2Options = {}): RegularizerFactory {
  GREG2.check(options)
  const { strength, ...rest } = options
  if (strength !== undefined) {
    excludes('greg2', options, ['ceiling', 'granularity', 'pickCeiling', 'pickGranularity'])
    const { updateEvery = 5, coupling } = rest
    const made = { picks: 'during', coupling } as const
    // Linear growth over half of the phase, and held for the last four tenths.
    return withStrength({ ...describedBy('greg-2', rest), strength }, made, 0.65, ({ ceiling, iterations }) => {
      const updates = Math.max(1, iterations / updateEvery)
      const pickCeiling = PICK * ceiling
      const steps = { pickGranularity: pickCeiling / (0.1 * updates), granularity: ceiling / (0.5 * updates) }
      return greg2({ ...rest, ...steps, pickCeiling, ceiling })
    })
  }
  const { updateEvery = 5, pickGranularity = 1e-5, pickCeiling = 1e-2, granularity = 1e-4 } = options
  const { ceiling = 1, recover = 1e-4, warmup = 0, coupling, ratio, stabilize, closedLoop } = options
  if (ceiling < pickCeiling) {
    const words = `greg2: 'ceiling' must be a number of at least 'pickCeiling', ${pickCeiling}, not ${ceiling}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  const rule = push({ ceiling, ratio, stabilize, closedLoop })
  return scheduled<PushMemory>({
    ...{ name: 'greg-2', picks: 'during', updateEvery, coupling },
    description: {
      ...{ name: 'greg-2', updateEvery, pickGranularity, pickCeiling, granularity, ceiling, recover, warmup },
      ...{ coupling: coupling ?? null, ...describePush({ ratio, stabilize, closedLoop }) },
    },
    start: ({ groups }) => ({
      reg: filled(groups, 0),
      stage: 'grow',
      memory: rule.start(groups.groups.length, 0),
    }),
    async grow(before, moment) {
      if (moment.iteration < warmup) return before
      const { groups, stepping } = moment.context
      if (before.removed === undefined) {
        const level = Math.min(pickCeiling, before.memory.levels[0]! + pickGranularity)
        const memory = rule.start(groups.groups.length, level)
        const grown = { ...before, reg: filled(groups, level), memory }
        return level < pickCeiling ? grown : { ...grown, stage: 'push', removed: await moment.pick() }
      }
      const back = 0 - Math.min(recover, stepping?.weightDecay ?? 0)
      return rule.step(before, moment, granularity, filled(groups, back))
    },
    highest: ({ groups }) => filled(groups, ceiling),
  })
}
