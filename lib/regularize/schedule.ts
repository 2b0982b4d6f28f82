import type { Described } from '../base/describe.js'
import type { Importance, Scores } from '../importance/index.js'
import type { Reg, RegularizerContext, RemovedUnits, Stage } from './types.js'

/** What a schedule knows between two growth steps. `memory` must be plain data that JSON keeps. */
export interface Growth<Memory = unknown> {
  reg: Reg
  stage: Stage
  /** The units to remove, once they are chosen. */
  removed?: readonly RemovedUnits[] | undefined
  /** Groups that sit this step out because their importance is not finite. */
  skipped?: readonly number[] | undefined
  memory: Memory
}

/**
 * What a schedule can ask at a growth step. The weights are those of the moment.
 *
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { type Schedule, scheduled } from 'espalier/analysis'
 *
 * const { model, analysis: groups } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * // Waits while held-out accuracy is gone, then penalises units as they fall behind their group's mean.
 * const careful: Schedule<null> = {
 *   name: 'careful',
 *   picks: 'during',
 *   updateEvery: 1,
 *   start: () => ({ reg: groups.groups.map(({ size }) => new Float32Array(size)), stage: 'grow', memory: null }),
 *   async grow(before, moment) {
 *     if ((await moment.validate()) < 0.9) return before
 *     const scores = await moment.scores()
 *     const reg = before.reg.map((units, id) => units.map((each, unit) => each + Math.max(0, 1 - scores.get(id)![unit]!)))
 *     return { ...before, reg, removed: await moment.pick() }
 *   },
 *   highest: () => groups.groups.map(({ size }) => new Float32Array(size).fill(10)),
 * }
 * const regularizer = await scheduled(careful).attach({
 *   ...{ model, groups, iterations: 10 },
 *   validate: async () => 0.95,
 *   pick: async () => [{ group: 0, units: [1] }],
 * })
 * await regularizer.advance()
 * console.log(regularizer.state.removed) // [ { group: 0, units: [ 1 ] } ]
 * ```
 */
export interface Moment {
  readonly context: RegularizerContext
  /** Optimizer steps so far. */
  readonly iteration: number
  /** Learning rate of the last step; the largest of the phase where nobody told it. Undefined without `stepping` in the context. */
  readonly lr: number | undefined
  /** Number of this growth step, from 1. */
  readonly updates: number
  /** Group L2 (see `groupL2`), or another criterion. */
  scores(importance?: Importance): Promise<Scores>
  /** Sums of |w| or w² over each unit's weights, by group id. */
  sums(norm: 'abs' | 'square'): Promise<readonly Float32Array[]>
  /** The rule of `growing` on these penalties, by group L2; the groups that were skipped keep theirs. */
  grown(reg: Reg, deltaReg: number, ceiling: number): Promise<{ reg: Reg; skipped: readonly number[] }>
  /** As {@link RegularizerContext.pick}; throws ERR_INVALID_ARGUMENT when the context has none. */
  pick(): Promise<readonly RemovedUnits[]>
  /** As {@link RegularizerContext.validate}; throws ERR_INVALID_ARGUMENT when the context has none. */
  validate(): Promise<number>
}

/**
 * How the penalty of each unit goes over a regularized phase; `scheduled(schedule)` makes a regularizer of it. All that it
 * knows goes through `start` and `grow`, so that a run can be saved and resumed at every growth step.
 */
export interface Schedule<Memory = unknown> extends Described {
  readonly name: string
  readonly picks: 'start' | 'during' | 'end'
  /** Optimizer steps between two growth steps, 1 or more; or how many they are in a phase. */
  readonly updateEvery: number | ((context: RegularizerContext) => number)
  /** `gradient`, but `decoupled` for adaptive optimizers, by default. */
  readonly coupling?: 'gradient' | 'decoupled' | undefined
  /** What is penalised: every slice of a unit with `reg * w` (default), or only norm scales, with `reg * sign(w)`. */
  readonly acts?: 'slices' | 'norm-scales' | undefined
  /** Penalties before the first step. */
  start(context: RegularizerContext): Growth<Memory>
  /** Penalties after one more growth step. */
  grow(before: Growth<Memory>, moment: Moment): Growth<Memory> | Promise<Growth<Memory>>
  /** The highest penalty that each unit can reach in this phase, for the stability check. */
  highest(context: RegularizerContext): Reg
}
