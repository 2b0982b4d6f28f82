import { untilAborted } from '../base/abort.js'
import { EspalierError } from '../base/errors.js'
import { like, maybe, object, shown, signature } from '../base/schema/index.js'
import { withDropped } from '../cut/dropped.js'
import {
  analyse,
  type Compensation,
  type CutOptions,
  compensate,
  compileCut,
  cutAndVerify,
  describePlan,
  makePlan,
  type Plan,
  type PlanOptions,
  removedUnits,
  type Uncompensated,
  type Verification,
} from '../cut/index.js'
import { type DrawOptions, draw } from '../draw/index.js'
import { type Explanation, explain, type Question } from '../explain/index.js'
import { ANALYSE_ENTRIES } from '../groups/analyse.js'
import type { AnalyseOptions, Analysis } from '../groups/index.js'
import {
  assertFiniteScores,
  groupL2,
  type Importance,
  importanceContext,
  type Observe,
  type Scores,
} from '../importance/index.js'
import { IMPORTANCE, SCORES } from '../importance/types.js'
import { countSize, type Size } from '../measure/count.js'
import type { Timings } from '../measure/forecast.js'
import { inTurns } from '../measure/latency.js'
import { timeOperators } from '../measure/operators.js'
import type { BudgetOption } from '../plan/budgets/index.js'
import type { MakePlanOptions } from '../plan/plan.js'
import { LATENCY_BUDGET, PLAN, PLAN_ENTRIES, REMOVED_UNITS } from '../plan/schemas.js'
import type { OpRecord } from '../record/record.js'
import { RUN_ENTRIES, SIGNAL_OPTIONS } from '../torch/abort.js'
import type {
  InterfaceReport,
  MethodOptions,
  ModuleInput,
  Recording,
  ScriptModule,
  SignalOptions,
} from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, INPUT_BATCHES, METHODS } from '../torch/module-calls.js'
import { observeBatches } from '../torch/observe.js'
import { type Aimed, aimed, type LatencyReport, type Try } from './aim.js'

export interface PrunableOptions extends MethodOptions, AnalyseOptions {
  /** What the graph is recorded on, and cuts are verified with: one for each input of the model. */
  inputs: readonly ModuleInput[]
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** Options of {@link Prunable.score}. */
export interface ScoreOptions extends SignalOptions {
  /** Inputs of the model, batch after batch, for a criterion that looks at what the model does with them; none by default. */
  data?: AsyncIterable<readonly ModuleInput[]> | undefined
}

/** A cut that holds, and what it was made of. */
export interface PruneResult {
  /** The smaller model, in eval mode. The caller disposes it. */
  small: ScriptModule
  analysis: Analysis
  plan: Plan
  verification: Verification
  /** What became of a budget of latency, where there was one. */
  latency?: LatencyReport
  /** What became of other methods than `forward`, and the tensors that it never reads. */
  interface: InterfaceReport
}

/** What a compensation did: see {@link Prunable.compensate}. */
export interface Compensated {
  small: ScriptModule
  compensations: readonly Compensation[]
  uncompensated: readonly Uncompensated[]
}

/** The units of groups: what a plan removes. */
export type Units = Plan['removed']

/** @internal */
export const PRUNABLE_OF = signature(
  'Prunable.of',
  ['model', MODULE],
  [
    'options',
    object<PrunableOptions>({
      inputs: EXAMPLE_INPUTS,
      methods: METHODS,
      ...ANALYSE_ENTRIES,
      signal: RUN_ENTRIES.signal,
    }),
  ],
)
/** @internal */
export const PRUNABLE_SCORE = signature(
  'Prunable.score',
  ['importance', maybe(IMPORTANCE)],
  ['options', maybe(object<ScoreOptions>({ data: maybe(INPUT_BATCHES), signal: RUN_ENTRIES.signal }))],
)
/** @internal */
export const PRUNABLE_COMPENSATE = signature(
  'Prunable.compensate',
  [
    'cut',
    like<Pick<PruneResult, 'small' | 'plan'>>('a cut, as Prunable.cut() gives it', { small: MODULE, plan: PLAN }),
  ],
  ['data', INPUT_BATCHES],
  ['options', maybe(SIGNAL_OPTIONS)],
)
/** @internal */
export const PRUNABLE_AIM = signature(
  'Prunable.aim',
  ['scores', SCORES],
  ['options', object<PlanOptions & { budget: BudgetOption }>({ ...PLAN_ENTRIES, budget: LATENCY_BUDGET })],
  ['around', maybe(SIGNAL_OPTIONS)],
)
/** @internal */
export const PRUNABLE_WITHOUT = signature('Prunable.planWithout', ['units', REMOVED_UNITS])
/** @internal */
export const PRUNABLE_COUNT = signature('Prunable.count', ['units', maybe(REMOVED_UNITS)])

let mustBePrunable: (value: unknown) => void

/**
 * A model with its example inputs, recorded and analysed: what a cut is made from. Its parts belong together, so that none of
 * another model can be mixed in. {@link prune}, {@link sparsify} and {@link replay} are made of it.
 *
 * @example
 * ```ts
 * import { groupL2, load, Prunable, Tensor } from 'espalier'
 *
 * const prunable = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const plan = prunable.plan(await prunable.score(groupL2()), { budget: { macs: 0.5 } })
 * const { small } = await prunable.cut(plan)
 * console.log(prunable.count(), prunable.count(plan.removed))
 * // { params: 145, macs: 6932 } { params: 75, macs: 3466 }
 * await small.save('model-small.pt')
 * prunable.dispose()
 * ```
 */
export class Prunable {
  readonly #model: ScriptModule
  readonly #inputs: readonly ModuleInput[]
  readonly #recording: Recording
  readonly #analysis: Analysis

  static {
    mustBePrunable = (value) => {
      if (typeof value === 'object' && value !== null && #model in value) return
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Prunable was expected, not ${shown(value)}`)
    }
  }

  private constructor(model: ScriptModule, recording: Recording, { inputs, norms }: PrunableOptions) {
    this.#model = model
    this.#inputs = inputs
    this.#recording = recording
    this.#analysis = analyse(recording.record, { norms })
  }

  /**
   * Records a copy of the model, in eval mode, and finds its groups. The model given stays as it is.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT, also when it doesn't run on these inputs, ERR_UNSUPPORTED when the graph holds
   *   what can't be recorded, ERR_ABORTED
   */
  static async of(model: ScriptModule, options: PrunableOptions): Promise<Prunable> {
    PRUNABLE_OF.check(model, options)
    const copy = (await model.clone({ signal: options.signal })).eval()
    try {
      return await Prunable.owning(copy, options)
    } catch (error) {
      copy.dispose()
      throw error
    }
  }

  /** @internal Of the module itself, which is in eval mode, and which goes with it. */
  static async owning(model: ScriptModule, options: PrunableOptions): Promise<Prunable> {
    const { inputs, methods, signal } = options
    const recording = await model.record(inputs, { signal, methods })
    try {
      return new Prunable(model, recording, options)
    } catch (error) {
      recording.dispose()
      throw error
    }
  }

  /** The module that is cut: training it changes the weights that are scored and cut. */
  get model(): ScriptModule {
    mustBePrunable(this)
    return this.#model
  }

  /** The run that was written down. */
  get record(): OpRecord {
    mustBePrunable(this)
    return this.#analysis.record
  }

  /** The groups, what is frozen and why, and which units each coordinate of a value needs. */
  get analysis(): Analysis {
    mustBePrunable(this)
    return this.#analysis
  }

  /**
   * One score for each unit of each group, by the weights as they are now.
   *
   * @param importance the criterion; {@link groupL2} by default
   * @returns by group id, a score for each unit: of 0 or more where the criterion is one of this package
   * @throws EspalierError ERR_NOT_FINITE naming a parameter that holds a NaN or an infinity, ERR_ABORTED; ERR_INVALID_ARGUMENT
   *   for a criterion that needs data, without any
   */
  async score(importance: Importance = groupL2(), options: ScoreOptions = {}): Promise<Scores> {
    mustBePrunable(this)
    PRUNABLE_SCORE.check(importance, options)
    const { data, signal } = options
    const observe = data && this.observing(data, { signal })
    const context = importanceContext({ model: this.#model, groups: this.#analysis, observe, signal })
    const scores = await untilAborted(importance(context), signal)
    assertFiniteScores(this.#analysis, scores, context.weights)
    return scores
  }

  /** @internal What lets a criterion look at the model on these data, once. */
  observing(data: AsyncIterable<readonly ModuleInput[]>, options: SignalOptions): Observe {
    mustBePrunable(this)
    return async (places) => {
      let batches = 0
      const counted = async function* () {
        for await (const inputs of data) {
          batches++
          yield inputs
        }
      }
      const seen = await observeBatches(this.#model, this.#recording, counted(), places, options)
      if (batches > 0) return seen
      throw new EspalierError('ERR_INVALID_ARGUMENT', 'the data to look at have no batch, or were used up before')
    }
  }

  /**
   * Which units go: see {@link makePlan}.
   *
   * @throws EspalierError ERR_BUDGET with the best possible, ERR_NOTHING_PRUNABLE, ERR_INVALID_ARGUMENT, ERR_NOT_FINITE
   */
  plan(scores: Scores, options: MakePlanOptions = {}): Plan {
    mustBePrunable(this)
    return makePlan(this.#analysis, scores, options)
  }

  /**
   * The plan that removes these units, whatever their scores.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT for a unit or group that isn't there
   */
  planWithout(units: Units): Plan {
    mustBePrunable(this)
    PRUNABLE_WITHOUT.check(units)
    return describePlan(this.#analysis, removedUnits(this.#analysis, { removed: units }))
  }

  /**
   * Cuts the model as it is now, and proves the cut: see {@link cutAndVerify}.
   *
   * @returns the small model, to be disposed of by the caller, and what the cut was made of
   * @throws EspalierError ERR_VERIFICATION; ERR_UNSUPPORTED, also naming a method that the cut would break; ERR_INVALID_ARGUMENT;
   *   ERR_ABORTED
   */
  async cut(plan: Plan, options: CutOptions = {}): Promise<PruneResult> {
    mustBePrunable(this)
    const [model, analysis] = [this.#model, this.#analysis]
    const { small, verification } = await cutAndVerify(model, this.#recording, analysis, plan, this.#inputs, options)
    const report = small.interface as InterfaceReport
    const made = withDropped(plan, analysis, report.unreached)
    return { small: small.eval(), analysis, plan: made, verification, interface: report }
  }

  /** @internal The cut of a plan without its proof, for trials. */
  async trialCut(plan: Plan, { signal, ...around }: Omit<CutOptions, 'onProgress'> = {}): Promise<ScriptModule> {
    mustBePrunable(this)
    const request = { ...compileCut(this.#analysis, plan), ...around }
    return (await this.#model.cut(this.#recording, request, { signal })).eval()
  }

  /** @internal Cuts for trials, and measures. */
  attempting(options: SignalOptions): Try {
    mustBePrunable(this)
    const { signal } = options
    return async (plan) => {
      const cut = plan && (await this.trialCut(plan, { signal }))
      try {
        const own = cut ?? this.#model
        const operators = await timeOperators(own, this.#inputs, { signal })
        const real = await inTurns(this.#model, own, this.#inputs, { signal })
        return { operators, real }
      } finally {
        cut?.dispose()
      }
    }
  }

  /**
   * The plan whose cut takes as long as a budget of latency asks for, by trials: each is cut without a proof, and measured in turns with
   * the whole model.
   *
   * @throws EspalierError as {@link Prunable.plan}; ERR_TORCH, ERR_ABORTED
   */
  async aim(
    scores: Scores,
    options: PlanOptions & { budget: BudgetOption },
    around: SignalOptions = {},
  ): Promise<Aimed> {
    mustBePrunable(this)
    PRUNABLE_AIM.check(scores, options, around)
    const make = (timings: Timings) => makePlan(this.#analysis, scores, { ...options, timings })
    return aimed(this.#analysis, options.budget, make, this.attempting(around))
  }

  /**
   * Puts what removed channels still gave into the biases of a cut: see {@link compensate}.
   *
   * @param data inputs of the model to measure on, batch after batch
   * @throws EspalierError ERR_INVALID_ARGUMENT; ERR_TORCH when the model does not run on the data; ERR_ABORTED
   */
  async compensate(
    cut: Pick<PruneResult, 'small' | 'plan'>,
    data: AsyncIterable<readonly ModuleInput[]>,
    options: SignalOptions = {},
  ): Promise<Compensated> {
    mustBePrunable(this)
    PRUNABLE_COMPENSATE.check(cut, data, options)
    const known = { recording: this.#recording, analysis: this.#analysis, inputs: this.#inputs }
    const { small, plan } = cut
    const made = await compensate({ model: this.#model.eval(), small, plan, data, ...options, ...known })
    return { ...made, small: made.small.eval() }
  }

  /**
   * Parameters and MACs (multiply-adds on the example inputs), once these units are gone; none for the model as it is.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT for a unit or group that isn't there
   */
  count(units: Units = []): Size {
    mustBePrunable(this)
    PRUNABLE_COUNT.check(units)
    return countSize(this.#analysis, removedUnits(this.#analysis, { removed: units }))
  }

  /** Why coordinates hang together or are frozen: see {@link explain}. */
  explain(question: Question): Explanation[] {
    mustBePrunable(this)
    return explain(this.#analysis, question)
  }

  /** The graph with its groups as a picture: see {@link draw}. */
  draw(options: DrawOptions = {}): string {
    mustBePrunable(this)
    return draw(this.#analysis, options)
  }

  /** @internal Lets go of the recording; the module is the caller's. */
  release(): void {
    mustBePrunable(this)
    this.#recording.dispose()
  }

  /** Lets go of the copy and its recording; analysis and plans stay. May be called again. */
  dispose(): void {
    mustBePrunable(this)
    this.#recording.dispose()
    this.#model.dispose()
  }

  /** {@link Prunable.dispose}, for `using`. */
  [Symbol.dispose](): void {
    mustBePrunable(this)
    this.dispose()
  }
}

/** A plan, by trials where its budget has a latency. */
export async function planFor(
  prunable: Prunable,
  scores: Scores,
  options: PlanOptions,
  around: SignalOptions,
): Promise<{ plan: Plan; timings?: Timings; latency?: LatencyReport }> {
  const { budget } = options
  if (budget?.latency === undefined) return { plan: prunable.plan(scores, options) }
  // What is wrong beside the budget is told before anything is measured.
  prunable.plan(scores, { ...options, budget: { ...budget, latency: undefined, macs: budget.macs ?? 1 } })
  return prunable.aim(scores, { ...options, budget }, around)
}
