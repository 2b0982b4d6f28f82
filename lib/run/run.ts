import { abortIf } from '../abort.js'
import type { Analysis } from '../graph/index.js'
import { analyse } from '../graph/index.js'
import { assertFiniteScores, groupL2, weightsOf } from '../importance/index.js'
import { count } from '../options.js'
import { compensate, cutAndVerify, describePlan, makePlan, type Plan, removedUnits } from '../prune/index.js'
import type { Regularizer } from '../regularize/index.js'
import type { ModuleInput, ScriptModule } from '../torch/index.js'
import {
  batches,
  constant,
  cosine,
  evaluate,
  largestStepping,
  phaseLength,
  type TrainOptions,
  train,
} from '../train/index.js'
import type { Phase, RunRecord, SparsifyOptions, SparsifyResult, Stage } from './types.js'

const DEFAULT_SCHEDULE = { sparse: constant(), finetune: cosine() } as const

/**
 * The main job, step by step: record, group, train under the regularizer, plan, cut, verify, fine-tune. Nothing happens
 * until records are asked for:
 *
 *     const run = new Run(model, options)
 *     for await (const record of run) console.log(record.kind)
 *     await run.result.small.save('small.pt')
 *
 * The module given stays as it is: a copy is trained. After an error or an abort `run.model` holds that copy with the
 * weights of its last complete step, or the small module once it was cut. {@link sparsify} is the same in one call.
 */
export class Run implements AsyncIterable<RunRecord> {
  readonly #options: SparsifyOptions
  #model: ScriptModule
  #result: SparsifyResult | undefined

  constructor(model: ScriptModule, options: SparsifyOptions) {
    this.#options = options
    this.#model = model.clone().eval()
  }

  /** The module in work: the copy in training, then the small one. Dispose it when the run is given up. */
  get model(): ScriptModule {
    return this.#model
  }

  /** What came out; only once the last record was given. */
  get result(): SparsifyResult {
    if (this.#result === undefined) throw new Error('the run is not complete')
    return this.#result
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunRecord, void, void> {
    const { exampleInputs, regularizer: factory, finetune } = this.#options
    const history: SparsifyResult['history'] = []
    const evaluations: SparsifyResult['evaluations'] = {}
    const measure = this.#measure.bind(this, evaluations)

    const recording = await this.#model.record(exampleInputs)
    try {
      const analysis = analyse(recording.record)
      yield { kind: 'analysis', analysis }
      yield* measure('before')

      // A plan is made in any case, so that a budget that can't be met is refused before the training.
      let plan = await this.#plan(analysis)
      if (factory.picks === 'start') yield { kind: 'plan', plan }
      const regularizer = await this.#attach(analysis, plan)
      try {
        yield* this.#train('sparse', this.#options.sparse, history, regularizer)
      } finally {
        regularizer.dispose()
      }
      yield* measure('regularized')

      if (factory.picks !== 'start') {
        const { removed } = regularizer.state
        plan = removed ? describePlan(analysis, removedUnits(analysis, { removed })) : await this.#plan(analysis)
        yield { kind: 'plan', plan }
      }
      yield { kind: 'cutting' }
      abortIf(this.#options.signal)
      const full = this.#model
      const { small: cut, verification } = await cutAndVerify(full, recording, analysis, plan, exampleInputs)
      this.#model = cut.eval()
      try {
        yield { kind: 'cut', verification }
        yield* measure('cut')
        const data = this.#calibration()
        if (data !== undefined) {
          const job = { model: full.eval(), small: cut, recording, analysis, plan, exampleInputs, data }
          const { small, compensations } = await compensate(job)
          this.#model = small.eval()
          yield { kind: 'compensated', compensations }
          yield* measure('compensated')
        }
      } finally {
        full.dispose()
      }
      const small = this.#model
      if (finetune) {
        yield* this.#train('finetune', finetune, history)
        yield* measure('finetuned')
      }
      this.#result = { small, analysis, plan, verification, history, evaluations, regularizer: regularizer.state }
    } finally {
      recording.dispose()
    }
  }

  async #plan(analysis: Analysis): Promise<Plan> {
    const { importance = groupL2(), budget, minKeep, signal } = this.#options
    abortIf(signal)
    const weights = weightsOf(this.#model)
    const scores = await importance({ groups: analysis, weights })
    assertFiniteScores(analysis, scores, weights)
    return makePlan(analysis, scores, { budget, minKeep })
  }

  #attach(analysis: Analysis, plan: Plan): Promise<Regularizer> {
    const options = this.#trainOptions('sparse', this.#options.sparse)
    return this.#options.regularizer.attach({
      model: this.#model,
      groups: analysis,
      removed: plan.removed,
      pick: async () => (await this.#plan(analysis)).removed,
      validate: this.#validate(),
      iterations: phaseLength(options),
      stepping: largestStepping(options),
      onWarning: this.#options.onWarning,
    })
  }

  /** Held-out accuracy, or minus the loss where there is none. */
  #validate(): (() => Promise<number>) | undefined {
    const { data, loss, signal } = this.#options
    const { validation } = data
    if (validation === undefined) return undefined
    return async () => {
      const { accuracy, loss: value } = await evaluate(this.#model, validation, { loss, signal })
      return accuracy ?? -value
    }
  }

  async *#train(
    phase: 'sparse' | 'finetune',
    options: Phase,
    history: SparsifyResult['history'],
    regularizer?: Regularizer,
  ): AsyncGenerator<RunRecord, void, void> {
    for await (const record of train(this.#model, { ...this.#trainOptions(phase, options), regularizer })) {
      const own = { ...record, phase }
      if (own.kind === 'epoch') history.push(own)
      yield own
      if (own.kind !== 'epoch' || regularizer === undefined) continue
      yield await regularizer.observe()
      const { iteration, iterations } = own
      if (regularizer.done && iteration < iterations) yield { kind: 'early', iteration, saved: iterations - iteration }
    }
  }

  #trainOptions(phase: 'sparse' | 'finetune', options: Phase): TrainOptions {
    const { data, loss, augment, seed, signal } = this.#options
    return { schedule: DEFAULT_SCHEDULE[phase], ...options, data, loss, augment, seed, signal }
  }

  async *#measure(evaluations: SparsifyResult['evaluations'], stage: Stage): AsyncGenerator<RunRecord, void, void> {
    const { data, loss, signal } = this.#options
    if (data.validation === undefined) return
    const evaluation = await evaluate(this.#model, data.validation, { loss, signal })
    evaluations[stage] = evaluation
    yield { kind: 'evaluation', stage, evaluation }
  }

  /** The first batches of the training data, as they are. */
  #calibration(): AsyncIterable<readonly ModuleInput[]> | undefined {
    const { compensate: wanted = false, data, sparse } = this.#options
    if (wanted === false) return undefined
    const most = count('batches', (wanted === true ? undefined : wanted.batches) ?? 8)
    return (async function* () {
      let batch = 0
      for await (const { inputs } of batches(data.train, { batchSize: sparse.batchSize })) {
        yield inputs
        if (++batch === most) return
      }
    })()
  }
}
