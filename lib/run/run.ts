import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { analyse, describePlan, removedUnits } from '../cut/index.js'
import type { ScriptModule } from '../torch/index.js'
import { objectiveOf } from '../train/objective.js'
import { optionsOf, type Teacher } from '../train/teacher.js'
import { Checkpoints, type RunState } from './checkpoint.js'
import { disposeState } from './rounds.js'
import { lossInWords, type Phases, type Settings } from './settings.js'
import { shrink } from './shrink.js'
import { RUN, type RunEvent, type SparsifyOptions, type SparsifyResult } from './types.js'
import { type Sparse, Work } from './work.js'

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
  readonly #given: ScriptModule
  readonly #work: Work
  #begun = false
  #result: SparsifyResult | undefined

  static {
    mustBeRun = (value) => {
      if (typeof value === 'object' && value !== null && #work in value) return
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Run was expected, not ${shown(value)}`)
    }
  }

  constructor(model: ScriptModule, options: SparsifyOptions) {
    RUN.check(model, options)
    const { maxDrop, data, checkpoint } = options
    if (maxDrop !== undefined && data.validation === undefined) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', "'maxDrop' needs validation data, to see what a cut loses")
    }
    const checkpoints = checkpoint && new Checkpoints(model, options, checkpoint)
    this.#given = model
    this.#work = new Work(model, options, checkpoints)
  }

  /**
   * The module in work: the copy in training, then the small one; undefined before the first record is asked for. Dispose it when
   * the run is given up.
   */
  get model(): ScriptModule | undefined {
    mustBeRun(this)
    return this.#begun ? this.#work.model : undefined
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
    const work = this.#work
    const { options } = work
    const { signal } = options
    const resumed = await work.checkpoints?.read()
    work.model = resumed?.model ?? (await this.#given.clone({ signal })).eval()
    this.#begun = true
    const { teacher, own } = await teacherOf(this.#given, options)
    work.objective = objectiveOf({ ...options, teacher })
    if (resumed !== undefined) {
      work.history.push(...resumed.state.history)
      Object.assign(work.evaluations, resumed.state.evaluations)
      work.found = resumed.state.lrs ?? {}
    }
    try {
      const loss = await lossInWords(work.model, options)
      const cut = resumed?.state.cut
      if (cut !== undefined) yield* work.settleOn(loss)
      const sparse =
        resumed === undefined || cut === undefined
          ? yield* shrink(work, this.#given, resumed, loss)
          : afterCut(resumed.state, cut, options)
      const { finetune } = work.phases as Phases
      if (finetune && sparse.withheld === undefined) {
        if (cut === undefined) await work.fromFile()
        yield* work.train('finetune', finetune, sparse, undefined, cut === undefined ? undefined : resumed?.train)
        yield* work.measure('finetuned')
      }
      const { history, evaluations } = work
      this.#result = { small: work.model, settings: work.settings as Settings, ...sparse, history, evaluations }
    } finally {
      own?.dispose()
      disposeState(resumed?.train.optimizer)
    }
  }
}

/** Who teaches, and what of it is ours to dispose: a copy of the model given, where no other was. */
async function teacherOf(
  model: ScriptModule,
  { teacher, signal }: SparsifyOptions,
): Promise<{ teacher: Teacher | undefined; own?: ScriptModule }> {
  if (teacher === undefined) return { teacher }
  const options = optionsOf(teacher)
  if (options.module !== undefined) return { teacher: options }
  const own = await model.clone({ signal })
  return { teacher: { ...options, module: own }, own }
}
