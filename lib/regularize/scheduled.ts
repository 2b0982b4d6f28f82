import { descriptionOf } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { count, either, func, like, maybe, object, oneOf, signature, text } from '../base/schema/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { importanceContext, type Scores } from '../importance/index.js'
import { OWNER } from '../importance/weights.js'
import { COUPLING, type Coupling } from '../optim/penalty-term.js'
import { checkStability, STEPPING } from '../optim/stability.js'
import type { PenaltyHook } from '../torch/index.js'
import { largestCoefficient } from './coefficients.js'
import { observe } from './observe.js'
import { type Penalty, UnitPenalty } from './penalty.js'
import { ScalePenalty } from './scales.js'
import type { Growth, Moment, Schedule } from './schedule.js'
import {
  APPLY_OPTIONS,
  type ApplyOptions,
  REGULARIZER_STATE,
  REMOVED,
  type Regularizer,
  type RegularizerContext,
  type RegularizerEvent,
  type RegularizerFactory,
  type RegularizerState,
} from './types.js'

/** @internal */
export const SCHEDULED = signature('scheduled', [
  'schedule',
  like<Schedule>('a schedule: name, picks, updateEvery, start(), grow(), highest()', {
    name: text(),
    picks: oneOf('start', 'during', 'end'),
    updateEvery: either(
      'a whole number of at least 1, or a function that gives one',
      count(),
      func<(context: RegularizerContext) => number>(),
    ),
    coupling: maybe(COUPLING),
    acts: maybe(oneOf('slices', 'norm-scales')),
    start: func(),
    grow: func(),
    highest: func(),
  }),
])

/**
 * A regularizer that penalises with `reg * w` and lets a schedule say how `reg` goes.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for what is no schedule; when attached, with a penalty that would make training
 *   diverge, or to a state of another one
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { type Schedule, scheduled } from 'espalier/analysis'
 *
 * // 1e-3 more on every unit after every step.
 * const linear: Schedule<null> = {
 *   name: 'linear',
 *   picks: 'end',
 *   updateEvery: 1,
 *   start: ({ groups }) => ({ reg: groups.groups.map(({ size }) => new Float32Array(size)), stage: 'grow', memory: null }),
 *   grow: (before) => ({ ...before, reg: before.reg.map((units) => units.map((reg) => reg + 1e-3)) }),
 *   highest: ({ groups, iterations }) => groups.groups.map(({ size }) => new Float32Array(size).fill(iterations * 1e-3)),
 * }
 * const { model, analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const regularizer = await scheduled(linear).attach({ model, groups: analysis, iterations: 100 })
 * await regularizer.advance()
 * await regularizer.advance()
 * console.log(regularizer.state.reg[0]!.map((reg) => reg.toFixed(3))) // [ '0.002', '0.002', '0.002', '0.002' ]
 * ```
 */
export function scheduled<Memory>(schedule: Schedule<Memory>): RegularizerFactory {
  SCHEDULED.check(schedule as Schedule)
  const { name, picks, updateEvery, coupling = null, acts = 'slices', start, grow, highest } = schedule
  const rules = { start: descriptionOf(start), grow: descriptionOf(grow), highest: descriptionOf(highest) }
  const every = typeof updateEvery === 'function' ? descriptionOf(updateEvery) : updateEvery
  const own = { name, picks, updateEvery: every, coupling, acts, ...rules }
  return {
    name,
    picks,
    description: schedule.description ?? own,
    attach: async (context) => {
      ATTACH.check(context)
      return Scheduled.attach(schedule, context)
    },
  }
}

const CONTEXT = object<RegularizerContext>({
  model: OWNER,
  groups: ANALYSIS,
  removed: maybe(REMOVED),
  pick: maybe(func<NonNullable<RegularizerContext['pick']>>()),
  validate: maybe(func<NonNullable<RegularizerContext['validate']>>()),
  observe: maybe(func<NonNullable<RegularizerContext['observe']>>()),
  iterations: count(0),
  stepping: maybe(STEPPING),
  onWarning: maybe(func<NonNullable<RegularizerContext['onWarning']>>()),
  state: maybe(REGULARIZER_STATE),
})

/** @internal */
export const ATTACH = signature('regularizer.attach', ['context', CONTEXT])
/** @internal */
export const APPLY = signature('regularizer.apply', ['options', APPLY_OPTIONS])

/** Drives one schedule over one model. */
class Scheduled<Memory> implements Regularizer {
  readonly #schedule: Schedule<Memory>
  readonly #context: RegularizerContext
  readonly #updateEvery: number
  readonly #units: UnitPenalty
  readonly #penalty: Penalty
  readonly coupling: Coupling
  #iteration = 0
  #lr: number | undefined
  #updates = 0
  #growth: Growth<Memory>
  #skipped: number[]
  #hook: PenaltyHook | undefined

  private constructor(
    schedule: Schedule<Memory>,
    context: RegularizerContext,
    coupling: Coupling,
    start: Growth<Memory>,
  ) {
    this.#schedule = schedule
    this.#context = context
    const { updateEvery } = schedule
    this.#updateEvery = typeof updateEvery === 'function' ? updateEvery(context) : updateEvery
    this.coupling = coupling
    this.#growth = start
    this.#units = UnitPenalty.of(context.model, context.groups, coupling)
    this.#penalty = schedule.acts === 'norm-scales' ? new ScalePenalty(context.model, context.groups) : this.#units
    this.#skipped = context.groups.groups.map(() => 0)
    this.#lr = context.stepping?.lr
  }

  static async attach<Memory>(schedule: Schedule<Memory>, context: RegularizerContext): Promise<Regularizer> {
    const { groups, stepping, onWarning, state } = context
    const coupling = schedule.coupling ?? (stepping?.adaptive ? 'decoupled' : 'gradient')
    const start = schedule.start(context)
    checkStability(largestCoefficient(groups, schedule.highest(context)), stepping, onWarning, coupling)
    const regularizer = new Scheduled(schedule, context, coupling, start)
    if (state !== undefined) regularizer.#restore(state)
    await regularizer.#penalty.set(regularizer.#growth.reg)
    return regularizer
  }

  get name(): string {
    return this.#schedule.name
  }

  get done(): boolean {
    return this.#growth.stage === 'done'
  }

  get term() {
    return this.#hooked === undefined ? this.#penalty.term : undefined
  }

  hook(): PenaltyHook {
    if (this.#hooked !== undefined) return this.#hooked
    if (this.coupling === 'decoupled' || this.#penalty.hook === undefined) {
      const why =
        this.coupling === 'decoupled' ? 'a decoupled penalty is not part of a gradient' : 'only apply() adds it'
      throw new EspalierError('ERR_UNSUPPORTED', `'${this.name}' has no hook here: ${why}`)
    }
    this.#hook = this.#penalty.hook()
    return this.#hook
  }

  /** The hook, as long as it is on. */
  get #hooked(): PenaltyHook | undefined {
    return this.#hook?.removed ? undefined : this.#hook
  }

  async apply(options: ApplyOptions = {}): Promise<void> {
    APPLY.check(options)
    if (this.coupling === 'decoupled' && !(options.lr !== undefined && options.lr >= 0)) {
      throw new EspalierError(
        'ERR_INVALID_ARGUMENT',
        `a decoupled penalty needs the learning rate of the step: apply({ lr }), not ${options.lr}`,
      )
    }
    if (this.#hooked === undefined) await this.#penalty.apply(options)
    else await this.#hooked.finish(options.scale ?? 1)
    await this.advance(options)
  }

  async advance({ lr }: Pick<ApplyOptions, 'lr'> = {}): Promise<void> {
    this.#lr = lr ?? this.#lr
    this.#iteration++
    if (this.#iteration % this.#updateEvery === 0) await this.update()
  }

  async update(): Promise<void> {
    if (this.done) return
    this.#updates++
    try {
      this.#growth = await this.#schedule.grow(this.#growth, this.#moment())
      for (const group of this.#growth.skipped ?? []) this.#skipped[group]!++
    } finally {
      // A step that fails, or was only tried by the schedule, leaves nothing behind.
      await this.#penalty.set(this.#growth.reg)
    }
  }

  async observe(): Promise<RegularizerEvent> {
    const [squares, l1] = [await this.#units.sums('square'), await this.#units.sums('abs')]
    return observe(this.state, squares, l1)
  }

  get state(): RegularizerState {
    const { reg, stage, removed, memory } = this.#growth
    return {
      schema: 1,
      name: this.name,
      stage,
      iteration: this.#iteration,
      updates: this.#updates,
      reg: reg.map((regOfGroup) => Array.from(regOfGroup)),
      skipped: [...this.#skipped],
      ...(removed === undefined ? {} : { removed }),
      ...(memory === undefined ? {} : { memory }),
    }
  }

  #moment(): Moment {
    const { model, groups, pick, validate, observe } = this.#context
    const needed = <T>(what: string, ask: (() => Promise<T>) | undefined): Promise<T> => {
      if (ask !== undefined) return ask()
      throw new EspalierError('ERR_INVALID_ARGUMENT', `'${this.name}' needs '${what}' in its context`)
    }
    return {
      context: this.#context,
      iteration: this.#iteration,
      lr: this.#lr,
      updates: this.#updates,
      scores: async (importance) => {
        if (importance !== undefined) return importance(importanceContext({ model, groups, observe }))
        return byGroup(await this.#units.sums('square'))
      },
      sums: (norm) => this.#units.sums(norm),
      grown: (reg, deltaReg, ceiling) => this.#units.grown(reg, deltaReg, ceiling),
      pick: () => needed('pick', pick),
      validate: () => needed('validate', validate),
    }
  }

  #restore(state: RegularizerState): void {
    const { reg } = this.#growth
    const fits =
      state.schema === 1 &&
      state.name === this.name &&
      state.reg.length === reg.length &&
      state.reg.every((regOfGroup, g) => regOfGroup.length === reg[g]!.length)
    if (!fits) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `the state is not one of '${this.name}' on these groups`)
    }
    this.#iteration = state.iteration
    this.#updates = state.updates
    this.#growth = {
      reg: state.reg.map((regOfGroup) => Float32Array.from(regOfGroup)),
      stage: state.stage,
      removed: state.removed,
      memory: state.memory as Memory,
    }
    this.#skipped = [...state.skipped]
  }

  dispose(): void {
    this.#hook?.remove()
    this.#penalty.dispose()
    this.#units.dispose()
  }
}

/** Group L2: each unit's sum over the group's mean. */
function byGroup(sums: readonly Float32Array[]): Scores {
  return new Map(
    sums.map((ofGroup, g) => {
      const mean = ofGroup.reduce((a, b) => a + b, 0) / ofGroup.length
      return [g, mean === 0 ? ofGroup : ofGroup.map((sum) => sum / mean)]
    }),
  )
}
