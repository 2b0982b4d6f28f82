import type { Description } from '../base/describe.js'
import { given } from '../base/given.js'
import type { Plan } from '../cut/index.js'
import type { Timings } from '../measure/forecast.js'
import type { OptimizerState } from '../optim/optimizer.js'
import type { Regularizer, RegularizerState } from '../regularize/index.js'
import type { ModuleInput, ScriptModule } from '../torch/index.js'
import {
  batches,
  type EvaluateOptions,
  evaluate,
  phaseLength,
  type TrainOptions,
  type TrainState,
  train as trainLoop,
} from '../train/index.js'
import { mustBeComparable, type ObjectiveOptions, scoreOf } from '../train/objective.js'
import { PHASE_DEFAULTS, type Phase } from '../train/phase.js'
import type { LatencyReport } from './aim.js'
import { heldOf } from './at-the-cut.js'
import type { Checkpoints } from './checkpoint.js'
import { DEFAULT_REGULARIZER } from './job.js'
import { copyOf } from './rounds.js'
import { batchSizeOf, type FoundLrs, type Phases, type Settings, settingsOf, settle } from './settings.js'
import type { RunEvent, SparsifyOptions, SparsifyResult, Stage } from './types.js'

/** What the regularized phase and the cut leave, apart from the small model. */
export type Sparse = Pick<
  SparsifyResult,
  'analysis' | 'plan' | 'verification' | 'interface' | 'regularizer' | 'held' | 'withheld' | 'latency'
>

/** What a checkpoint knows beside the training. */
export type Known = Pick<Sparse, 'analysis' | 'plan'> & Partial<Sparse> & { round?: number; before?: Plan['removed'] }

/** The module in work, what is known of the run so far, and what both phases are made of: training, measuring, checkpoints. */
export class Work {
  readonly options: SparsifyOptions
  readonly checkpoints: Checkpoints | undefined
  /** In training, or cut. */
  model: ScriptModule
  /** What is trained for. Its teacher may be a copy of the model given. */
  objective: ObjectiveOptions = {}
  /** By what a budget of latency is planned, and what it came to. */
  timings: Timings | undefined
  latency: LatencyReport | undefined
  /** Learning rates that trials found. */
  found: FoundLrs = {}
  /** Settled before the first training. */
  phases: Phases | undefined
  settings: Settings | undefined
  readonly history: SparsifyResult['history'] = []
  readonly evaluations: SparsifyResult['evaluations'] = {}

  constructor(model: ScriptModule, options: SparsifyOptions, checkpoints: Checkpoints | undefined) {
    this.model = model
    this.options = options
    this.checkpoints = checkpoints
  }

  /** Settles all that the options leave open. */
  async *settleOn(loss: Description, trial?: () => Promise<ScriptModule>): AsyncGenerator<RunEvent, void, void> {
    const onModel = () => this.model.clone()
    const { phases, found } = yield* settle(this.model, this.options, this.objective, trial ?? onModel, this.found)
    this.phases = phases
    this.found = found
    this.settings = settingsOf(loss, this.options.regularizer ?? DEFAULT_REGULARIZER, phases)
    yield { kind: 'settings', settings: this.settings }
  }

  /**
   * The small module as a file gives it, which is how a run that goes on has it: surgery leaves other notes of where the
   * program's lines come from, and these are in the file.
   */
  async fromFile(): Promise<void> {
    const cut = this.model
    this.model = (await cut.to(cut.device, { signal: this.options.signal })).eval()
    cut.dispose()
  }

  /** How good the model is on held-out data, more is better. */
  validate(): (() => Promise<number>) | undefined {
    const { validation } = this.options.data
    if (validation === undefined) return undefined
    return async () => {
      return scoreOf(await evaluate(this.model, validation, this.judging('sparse')), this.objective)
    }
  }

  async *train(
    phase: 'sparse' | 'finetune',
    options: Phase,
    known: Known,
    regularizer?: Regularizer,
    from?: TrainState | { optimizer: OptimizerState },
  ): AsyncGenerator<RunEvent, OptimizerState | undefined, void> {
    const isResumed = from !== undefined && 'iteration' in from
    const start = isResumed ? { resume: from } : { begin: from?.optimizer }
    const train = { ...this.trainOptions(options), regularizer, ...start }
    const save = this.saver(phase, train, known, regularizer)
    const keepsLast = this.hasRoundAfter(known)
    // A run that goes on after the last step makes none.
    let last = keepsLast && isResumed ? copyOf(from.optimizer, undefined) : undefined
    const onStep: TrainOptions['onStep'] = async (state) => {
      await save?.(state)
      if (!keepsLast) return
      const { iteration, optimizer } = state()
      if (iteration >= phaseLength(train) || regularizer?.done) last = copyOf(optimizer, last)
    }
    const goOn = regularizer && this.goesOn(options.epochs, regularizer)
    for await (const record of trainLoop(this.model, { ...train, onStep, goOn })) {
      const own = { ...record, phase }
      if (own.kind === 'epoch') this.history.push(own)
      yield own
      if (own.kind !== 'epoch' || regularizer === undefined) continue
      yield await regularizer.observe()
      const { iteration, iterations } = own
      if (regularizer.done && iteration < iterations) yield { kind: 'early', iteration, saved: iterations - iteration }
    }
    return last
  }

  hasRoundAfter({ round }: Known): boolean {
    return round !== undefined && round < (this.options.rounds ?? 1)
  }

  /** Whether the regularized phase has another pass after its last one. */
  goesOn(epochs: number, regularizer: Regularizer): TrainOptions['goOn'] {
    const { extend = 0 } = this.options
    if (extend === 0) return undefined
    return async (epoch) => epoch <= epochs * (1 + extend) && heldOf(await regularizer.observe()).length > 0
  }

  /** What writes the checkpoints of a phase. */
  saver(
    phase: 'sparse' | 'finetune',
    options: TrainOptions,
    { analysis, plan, verification, interface: report, regularizer: last, held, round, before }: Known,
    regularizer: Regularizer | undefined,
  ): TrainOptions['onStep'] {
    const checkpoints = this.checkpoints
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
        lrs: this.found,
        history: this.history,
        evaluations: this.evaluations,
        ...(round === undefined || before === undefined ? {} : { round, before }),
        ...cut,
      }
      await checkpoints.write(this.model, known, state)
    }
  }

  trainOptions(options: Phase): TrainOptions {
    const { data, augment, seed, signal } = this.options
    return { ...given(options), ...this.objective, data, augment, seed, signal }
  }

  async *measure(stage: Stage): AsyncGenerator<RunEvent, void, void> {
    const { validation } = this.options.data
    if (validation === undefined) return
    const phase = stage === 'finetuned' ? 'finetune' : 'sparse'
    const evaluation = await evaluate(this.model, validation, this.judging(phase))
    if (stage === 'before' && this.options.maxDrop !== undefined) mustBeComparable(evaluation, this.objective)
    this.evaluations[stage] = evaluation
    yield { kind: 'evaluation', stage, evaluation }
  }

  /** With batches as large as those of the phase. */
  judging(phase: 'sparse' | 'finetune'): EvaluateOptions {
    const { signal } = this.options
    const { batchSize = PHASE_DEFAULTS.batchSize } = this.phases?.[phase] ?? (this.options[phase] || {})
    return { ...this.objective, signal, batchSize }
  }

  /** The first batches of the training data, as they are. */
  async *calibration(most: number): AsyncGenerator<readonly ModuleInput[], void, void> {
    const { data, signal } = this.options
    const batchSize = batchSizeOf(this.options)
    let batch = 0
    const inputNames = this.model.inputNames()
    for await (const { inputs } of batches(data.train, { batchSize, signal, inputNames })) {
      yield inputs
      if (++batch === most) return
    }
  }
}
