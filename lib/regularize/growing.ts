import { descriptionOf } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { count, maybe, number, object, oneOf, signature } from '../base/schema/index.js'
import { IMPORTANCE, type Importance } from '../importance/types.js'
import { COUPLING, type Coupling } from '../optim/penalty-term.js'
import { growChosen, growGroup } from './formula.js'
import { filled } from './reg.js'
import type { Growth, Schedule } from './schedule.js'
import { scheduled } from './scheduled.js'
import { describedBy, excludes, withStrength } from './strength.js'
import type { RegularizerFactory } from './types.js'

/** Options of {@link growing}. */
export interface GrowingOptions {
  /** Penalty of every unit at the start, 0 or more; 1e-4 by default. The unit of weight decay. */
  reg?: number | undefined
  /** Growth per update of a group's least important unit, 0 or more; 1e-4 by default. 0 is plain per-unit weight decay. */
  deltaReg?: number | undefined
  /** No unit's penalty grows above it; at least `reg`, 1 by default. */
  ceiling?: number | undefined
  /** Optimizer steps between two updates, 1 or more; 10 by default. */
  updateEvery?: number | undefined
  /** Group L2 by default, computed by the kernels. */
  importance?: Importance | undefined
  /**
   * Who grows: with `all` (default) every unit, by the rule above; with `plan` only those that the plan of the moment would
   * remove, the most below the least important unit that it keeps: `s = (min I of the kept - I) / (min I of the kept - min I)`.
   * A unit that leaves the plan falls back by `deltaReg` per update.
   */
  target?: 'all' | 'plan' | undefined
  /**
   * What the penalty alone makes of the unit that grows most over the phase, in powers of ten: 4 leaves 1e-4 of its weights, for any optimizer, learning rate and
   * length of the phase. Above 0; not given by default. In the place of `reg`, which is 0 then, `deltaReg` and `ceiling`.
   */
  strength?: number | undefined
  /** `gradient`, or `decoupled` for an adaptive optimizer, by default. */
  coupling?: Coupling | undefined
}

/** @internal */
export const GROWING = signature('growing', [
  'options',
  object<GrowingOptions>({
    reg: maybe(number({ min: 0 })),
    deltaReg: maybe(number({ min: 0 })),
    ceiling: maybe(number({ min: 0 })),
    updateEvery: maybe(count()),
    importance: maybe(IMPORTANCE),
    target: maybe(oneOf('all', 'plan')),
    strength: maybe(number({ above: 0 })),
    coupling: maybe(COUPLING),
  }),
])

/**
 * The options of {@link growing} with which the least is lost at the cut, over networks, optimizers and learning rates: see the table of
 * strengths in docs/quality.md. {@link fading} loses nothing there.
 *
 * @example
 * ```ts
 * import { growing } from 'espalier'
 * import { GROWING_TO_THE_CUT } from 'espalier/analysis'
 *
 * console.log(growing(GROWING_TO_THE_CUT).picks) // during
 * ```
 */
export const GROWING_TO_THE_CUT = {
  target: 'plan',
  strength: 8,
  updateEvery: 5,
} as const satisfies GrowingOptions

/**
 * Growing regularization: at each update the penalty of a unit grows the more, the less important it is in its group,
 *
 *     s = (max I - I) / (max I - min I + 1e-8),    reg = min(reg + deltaReg * s, ceiling)
 *
 * in float32. Equal importances, and a group of one unit, give s = 0. A group whose importance holds a NaN or an infinity
 * sits the update out and is counted in `state.skipped`. The units to remove are chosen at the end of the phase.
 *
 * Every unit but the best of its group is penalised, those that stay, too, so that accuracy is lost before anything is cut;
 * `target: 'plan'` is the nearest rule that keeps it, and chooses at every update.
 *
 * Source: the growth rule of DepGraph's growing-regularization pruner, after Wang et al., Neural Pruning via Growing
 * Regularization (ICLR 2021).
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range
 * @example
 * ```ts
 * import { growing, load, lr, sgd, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const { plan } = await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   regularizer: growing({ target: 'plan', reg: 0, deltaReg: 0.3, updateEvery: 5 }),
 *   sparse: { epochs: 10, optimizer: sgd({ lr: 0.01 }), schedule: lr.cosine({ hold: 0.6, floor: 0.05 }) },
 * })
 * console.log(plan.macs) // [ 6932, 3466 ]
 * ```
 */
export function growing(options: GrowingOptions = {}): RegularizerFactory {
  GROWING.check(options)
  const { strength, ...rest } = options
  if (strength !== undefined) {
    excludes('growing', options, ['reg', 'deltaReg', 'ceiling'])
    const { updateEvery = 10, coupling } = rest
    const made = { picks: rest.target === 'plan' ? 'during' : 'end', coupling } as const
    // It grows to the end.
    return withStrength({ ...describedBy('growing', rest), strength }, made, 1 / 2, ({ ceiling, iterations }) =>
      growing({ ...rest, reg: 0, ceiling, deltaReg: ceiling / Math.max(1, Math.floor(iterations / updateEvery)) }),
    )
  }
  const { reg = 1e-4, deltaReg = 1e-4, ceiling = 1, updateEvery = 10, importance, coupling, target = 'all' } = options
  if (ceiling < reg) {
    const words = `growing: 'ceiling' must be a number of at least 'reg', ${reg}, not ${ceiling}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }

  /** Every unit, by its importance in its group. */
  const all: Grow = async (before, moment) => {
    if (importance === undefined) return { ...before, ...(await moment.grown(before.reg, deltaReg, ceiling)) }
    const scores = await moment.scores(importance)
    return grown(before, (ofGroup, g) => growGroup(ofGroup, scores.get(g)!, deltaReg, ceiling))
  }
  /** The units that the plan of the moment would remove. */
  const ofPlan: Grow = async (before, moment) => {
    const [removed, scores] = [await moment.pick(), await moment.scores(importance)]
    const chosen = new Map(removed.map(({ group, units }) => [group, new Set(units)]))
    const next = grown(before, (ofGroup, g) =>
      growChosen(ofGroup, scores.get(g)!, chosen.get(g) ?? NONE, deltaReg, reg, ceiling),
    )
    return { ...next, stage: 'push', removed }
  }
  return scheduled<undefined>({
    ...{ name: 'growing', picks: target === 'all' ? 'end' : 'during', updateEvery, coupling },
    description: {
      ...{ name: 'growing', reg, deltaReg, ceiling, updateEvery, target, coupling: coupling ?? null },
      importance: importance === undefined ? null : descriptionOf(importance),
    },
    start: ({ groups }) => ({ reg: filled(groups, reg), stage: 'grow', memory: undefined }),
    grow: target === 'all' ? all : ofPlan,
    highest: ({ groups, iterations }) =>
      filled(groups, Math.min(ceiling, reg + Math.floor(iterations / updateEvery) * deltaReg)),
  })
}

type Grow = Schedule<undefined>['grow']

const NONE: ReadonlySet<number> = new Set()

/** Each group's next penalties; one that gives `null` sits the step out. */
function grown(
  before: Growth<undefined>,
  step: (reg: Float32Array, group: number) => Float32Array | null,
): Growth<undefined> {
  const next = before.reg.map(step)
  return {
    ...before,
    reg: next.map((ofGroup, g) => ofGroup ?? before.reg[g]!),
    skipped: [...next.keys()].filter((g) => next[g] === null),
  }
}
