import type { Description } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { shown } from '../base/schema/index.js'
import { analyse, describePlan, type Plan, removedUnits } from '../cut/index.js'
import type { Regularizer, RegularizerState } from '../regularize/index.js'
import type { ModuleInput, ScriptModule } from '../torch/index.js'
import {
  batches,
  type EvaluateOptions,
  evaluate,
  largestStepping,
  phaseLength,
  type TrainOptions,
  type TrainState,
  train as trainLoop,
} from '../train/index.js'
import { type ObjectiveOptions, objectiveOf, scoreOf } from '../train/objective.js'
import { PHASE_DEFAULTS, type Phase } from '../train/phase.js'
import { optionsOf, type Teacher } from '../train/teacher.js'
import { type Held, heldOf, NOTHING_CUT, warningOf, withheldOf } from './at-the-cut.js'
import { Checkpoints, type Resumed, type RunState } from './checkpoint.js'
import { CALIBRATION_BATCHES, calibrationBatches, DEFAULT_REGULARIZER } from './job.js'
import { Prunable } from './prunable.js'
import { batchSizeOf, type FoundLrs, lossInWords, type Phases, type Settings, settingsOf, settle } from './settings.js'
import { RUN, type RunEvent, type SparsifyOptions, type SparsifyResult, type Stage } from './types.js'

/** What the regularized phase and the cut leave, apart from the small model. */
type Sparse = Pick<
  SparsifyResult,
  'analysis' | 'plan' | 'verification' | 'interface' | 'regularizer' | 'held' | 'withheld'
>

function afterCut(
  { removed, regularizer }: RunState,
  cut: NonNullable<RunState['cut']>,
  options: SparsifyOptions,
): Sparse {
  const analysis = analyse(cut.record, { norms: options.norms })
  const plan = describePlan(analysis, removedUnits(analysis, { removed }))
  const { verification, interface: report, held = [] } = cut
  return { analysis, plan, verification, interface: report, regularizer, held }
}

let mustBeRun: (value: unknown) => void

/**
 * The main job, step by step: record, group, train under the regularizer, plan, cut, verify, fine-tune. Nothing happens
 * until records are asked for.
 *
 * The module given stays as it is: a copy is trained. After an error or an abort `run.model` holds that copy with the
 * weights of its last complete step, or the small module once it was cut. {@link sparsify} is the same in one call, and tells
 * what is thrown.
 *
 * @example
 * ```ts
 * import { growing, load, Run, sgd, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const run = new Run(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data: { train: data.train },
 *   loss: 'cross-entropy',
 *   budget: { params: 0.6 },
 *   regularizer: growing({ target: 'plan', reg: 0, deltaReg: 0.3, updateEvery: 5 }),
 *   sparse: { epochs: 2, optimizer: sgd({ lr: 0.01 }) },
 * })
 * const kinds = new Set<string>()
 * for await (const event of run) kinds.add(event.kind)
 * console.log([...kinds].join(', ')) // analysis, settings, batch, epoch, regularizer, plan, cutting, cut
 * await run.result.small.save('model-small.pt')
 * ```
 */
export class Run implements AsyncIterable<RunEvent> {
  readonly #options: SparsifyOptions
  /** The module given, until the run begins. */
  #model: ScriptModule
  #begun = false
  #result: SparsifyResult | undefined
  /** What is trained for. Its teacher may be a copy of the model given. */
  #objective: ObjectiveOptions = {}
  #phases: Phases | undefined
  #found: FoundLrs = {}
  #settings: Settings | undefined
  readonly #checkpoints: Checkpoints | undefined
  readonly #history: SparsifyResult['history'] = []
  readonly #evaluations: SparsifyResult['evaluations'] = {}

  static {
    mustBeRun = (value) => {
      if (typeof value === 'object' && value !== null && #options in value) return
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Run was expected, not ${shown(value)}`)
    }
  }

  constructor(model: ScriptModule, options: SparsifyOptions) {
    RUN.check(model, options)
    if (options.maxDrop !== undefined && options.data.validation === undefined) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', "'maxDrop' needs validation data, to see what a cut loses")
    }
    this.#options = options
    this.#checkpoints =
      options.checkpoint === undefined ? undefined : new Checkpoints(model, options, options.checkpoint)
    this.#model = model
  }

  /**
   * The module in work: the copy in training, then the small one; undefined before the first record is asked for. Dispose it when
   * the run is given up.
   */
  get model(): ScriptModule | undefined {
    mustBeRun(this)
    return this.#begun ? this.#model : undefined
  }

  /** What came out; only once the last record was given. */
  get result(): SparsifyResult {
    mustBeRun(this)
    if (this.#result === undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', 'the run is not complete')
    return this.#result
  }

  /** Does the work, event by event. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, void> {
    mustBeRun(this)
    const resumed = await this.#checkpoints?.read()
    const { teacher, own } = await this.#teacher()
    this.#objective = objectiveOf({ ...this.#options, teacher })
    this.#model = resumed?.model ?? (await this.#model.clone({ signal: this.#options.signal })).eval()
    this.#begun = true
    if (resumed !== undefined) {
      this.#history.push(...resumed.state.history)
      Object.assign(this.#evaluations, resumed.state.evaluations)
    }
    try {
      const loss = await lossInWords(this.#model, this.#options)
      this.#found = resumed?.state.lrs ?? {}
      const cut = resumed?.state.cut
      if (cut !== undefined) yield* this.#settleOn(loss)
      const sparse =
        resumed === undefined || cut === undefined
          ? yield* this.#sparsify(resumed, loss)
          : afterCut(resumed.state, cut, this.#options)
      const { finetune } = this.#known.phases
      if (finetune && sparse.withheld === undefined) {
        if (cut === undefined) await this.#settle()
        yield* this.#train('finetune', finetune, sparse, undefined, cut === undefined ? undefined : resumed?.train)
        yield* this.#measure('finetuned')
      }
      const { settings } = this.#known
      this.#result = { small: this.#model, settings, ...sparse, history: this.#history, evaluations: this.#evaluations }
    } finally {
      own?.dispose()
      for (const parts of resumed?.train.optimizer.tensors.values() ?? []) {
        for (const tensor of Object.values(parts)) tensor.dispose()
      }
    }
  }

  /** Settles all that the options leave open. */
  async *#settleOn(loss: Description, trial?: () => Promise<ScriptModule>): AsyncGenerator<RunEvent, void, void> {
    const onModel = () => this.#model.clone()
    const { phases, found } = yield* settle(this.#options, this.#objective, trial ?? onModel, this.#found)
    this.#phases = phases
    this.#found = found
    this.#settings = settingsOf(loss, this.#options.regularizer ?? DEFAULT_REGULARIZER, phases)
    yield { kind: 'settings', settings: this.#settings }
  }

  /** What is settled once training begins. */
  get #known(): { phases: Phases; settings: Settings } {
    return { phases: this.#phases as Phases, settings: this.#settings as Settings }
  }

  /** Who teaches, and what of it is ours to dispose: a copy of the model given, where no other was. */
  async #teacher(): Promise<{ teacher: Teacher | undefined; own?: ScriptModule }> {
    const { teacher, signal } = this.#options
    if (teacher === undefined) return { teacher }
    const options = optionsOf(teacher)
    if (options.module !== undefined) return { teacher: options }
    const own = await this.#model.clone({ signal })
    return { teacher: { ...options, module: own }, own }
  }

  /**
   * The small module as a file gives it, which is how a run that goes on has it: surgery leaves other notes of where the
   * program's lines come from, and these are in the file.
   */
  async #settle(): Promise<void> {
    const cut = this.#model
    this.#model = (await cut.to(cut.device, { signal: this.#options.signal })).eval()
    cut.dispose()
  }

  /** The regularized phase and the cut: `#model` is the small one afterwards. */
  async *#sparsify(resumed: Resumed | undefined, loss: Description): AsyncGenerator<RunEvent, Sparse, void> {
    const { inputs, methods, norms, regularizer: factory = DEFAULT_REGULARIZER, signal } = this.#options
    const prunable = await Prunable.owning(this.#model, { inputs, methods, norms, signal })
    const { analysis } = prunable
    try {
      yield { kind: 'analysis', analysis }
      if (resumed === undefined) yield* this.#measure('before')

      // A plan is made in any case, so that a budget that can't be met is refused before the training.
      let plan = resumed === undefined ? await this.#plan(prunable) : prunable.planWithout(resumed.state.removed)
      if (factory.picks === 'start') yield { kind: 'plan', plan }
      const first = plan
      yield* this.#settleOn(loss, () => prunable.trialCut(first, { signal }))
      const regularizer = await this.#attach(prunable, plan, resumed?.state.regularizer)
      let held: readonly Held[] = []
      try {
        yield* this.#train('sparse', this.#known.phases.sparse, { analysis, plan }, regularizer, resumed?.train)
        held = heldOf(await regularizer.observe())
        const warning = warningOf(held)
        if (warning !== undefined) this.#options.onWarning?.(warning)
      } finally {
        regularizer.dispose()
      }
      yield* this.#measure('regularized')

      if (factory.picks !== 'start') {
        const { removed } = regularizer.state
        plan = removed ? prunable.planWithout(removed) : await this.#plan(prunable)
        yield { kind: 'plan', plan }
      }
      yield { kind: 'cutting' }
      const { dropMethods, dropUnreached, compensate } = this.#options
      const cut = await prunable.cut(plan, { signal, dropMethods, dropUnreached })
      this.#model = cut.small
      yield { kind: 'cut', verification: cut.verification }
      yield* this.#measure('cut')
      const withheld = withheldOf(cut.plan, this.#options.maxDrop, this.#evaluations, this.#objective)
      if (withheld !== undefined) {
        cut.small.dispose()
        this.#model = prunable.model
        yield { kind: 'withheld', withheld }
        const whole = prunable.planWithout([])
        const none = { verification: { passes: [] }, interface: NOTHING_CUT }
        return { analysis, plan: whole, ...none, regularizer: regularizer.state, held, withheld }
      }
      if (compensate) {
        const data = this.#calibration(calibrationBatches(compensate))
        const { small, ...rest } = await prunable.compensate(cut, data, { signal })
        this.#model = small
        yield { kind: 'compensated', ...rest }
        yield* this.#measure('compensated')
      }
      return {
        analysis,
        plan: cut.plan,
        verification: cut.verification,
        interface: cut.interface,
        regularizer: regularizer.state,
        held,
      }
    } finally {
      // Until it is cut the copy in training is the caller's, whatever happens.
      if (this.#model === prunable.model) prunable.release()
      else prunable.dispose()
    }
  }

  async #plan(prunable: Prunable): Promise<Plan> {
    const { importance, budget, minKeep, signal } = this.#options
    const data = this.#calibration(CALIBRATION_BATCHES)
    return prunable.plan(await prunable.score(importance, { data, signal }), { budget, minKeep })
  }

  #attach(prunable: Prunable, plan: Plan, state: RegularizerState | undefined): Promise<Regularizer> {
    const options = this.#trainOptions(this.#known.phases.sparse)
    const { signal } = this.#options
    return (this.#options.regularizer ?? DEFAULT_REGULARIZER).attach({
      model: this.#model,
      groups: prunable.analysis,
      removed: plan.removed,
      pick: async () => (await this.#plan(prunable)).removed,
      validate: this.#validate(),
      observe: (places) => prunable.observing(this.#calibration(CALIBRATION_BATCHES), { signal })(places),
      iterations: phaseLength(options),
      stepping: largestStepping(options),
      onWarning: this.#options.onWarning,
      state,
    })
  }

  /** How good the model is on held-out data, more is better. */
  #validate(): (() => Promise<number>) | undefined {
    const { validation } = this.#options.data
    if (validation === undefined) return undefined
    return async () => {
      return scoreOf(await evaluate(this.#model, validation, this.#judging('sparse')), this.#objective)
    }
  }

  async *#train(
    phase: 'sparse' | 'finetune',
    options: Phase,
    known: Pick<Sparse, 'analysis' | 'plan'> & Partial<Sparse>,
    regularizer?: Regularizer,
    resume?: TrainState,
  ): AsyncGenerator<RunEvent, void, void> {
    const train = { ...this.#trainOptions(options), regularizer, resume }
    const onStep = this.#saver(phase, train, known, regularizer)
    const goOn = regularizer && this.#goesOn(options.epochs, regularizer)
    for await (const record of trainLoop(this.#model, { ...train, onStep, goOn })) {
      const own = { ...record, phase }
      if (own.kind === 'epoch') this.#history.push(own)
      yield own
      if (own.kind !== 'epoch' || regularizer === undefined) continue
      yield await regularizer.observe()
      const { iteration, iterations } = own
      if (regularizer.done && iteration < iterations) yield { kind: 'early', iteration, saved: iterations - iteration }
    }
  }

  /** Whether the regularized phase has another pass after its last one. */
  #goesOn(epochs: number, regularizer: Regularizer): TrainOptions['goOn'] {
    const { extend = 0 } = this.#options
    if (extend === 0) return undefined
    return async (epoch) => epoch <= epochs * (1 + extend) && heldOf(await regularizer.observe()).length > 0
  }

  /** What writes the checkpoints of a phase. */
  #saver(
    phase: 'sparse' | 'finetune',
    options: TrainOptions,
    {
      analysis,
      plan,
      verification,
      interface: report,
      regularizer: last,
      held,
    }: Pick<Sparse, 'analysis' | 'plan'> & Partial<Sparse>,
    regularizer: Regularizer | undefined,
  ): TrainOptions['onStep'] {
    const checkpoints = this.#checkpoints
    if (checkpoints === undefined) return undefined
    const iterations = phaseLength(options)
    return async (train) => {
      const state = train()
      if (!checkpoints.isDue(state.iteration, iterations, options.epochs) && !regularizer?.done) return
      const whole = verification !== undefined && report !== undefined
      const cut = whole ? { cut: { record: analysis.record, verification, interface: report, held } } : {}
      const known = {
        phase,
        regularizer: (regularizer?.state ?? last) as RegularizerState,
        removed: plan.removed,
        lrs: this.#found,
        history: this.#history,
        evaluations: this.#evaluations,
        ...cut,
      }
      await checkpoints.write(this.#model, known, state)
    }
  }

  #trainOptions(options: Phase): TrainOptions {
    const { data, augment, seed, signal } = this.#options
    return { ...given(options), ...this.#objective, data, augment, seed, signal }
  }

  async *#measure(stage: Stage): AsyncGenerator<RunEvent, void, void> {
    const { validation } = this.#options.data
    if (validation === undefined) return
    const phase = stage === 'finetuned' ? 'finetune' : 'sparse'
    const evaluation = await evaluate(this.#model, validation, this.#judging(phase))
    this.#evaluations[stage] = evaluation
    yield { kind: 'evaluation', stage, evaluation }
  }

  /** With batches as large as those of the phase. */
  #judging(phase: 'sparse' | 'finetune'): EvaluateOptions {
    const { signal } = this.#options
    const { batchSize = PHASE_DEFAULTS.batchSize } = this.#phases?.[phase] ?? (this.#options[phase] || {})
    return { ...this.#objective, signal, batchSize }
  }

  /** The first batches of the training data, as they are. */
  async *#calibration(most: number): AsyncGenerator<readonly ModuleInput[], void, void> {
    const { data, signal } = this.#options
    const batchSize = batchSizeOf(this.#options)
    let batch = 0
    for await (const { inputs } of batches(data.train, { batchSize, signal })) {
      yield inputs
      if (++batch === most) return
    }
  }
}
