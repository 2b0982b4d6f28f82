import type { Analysis } from '../../groups/index.js'
import type { Plan } from '../../plan/plan.js'
import { type ModuleInput, type Recording, type ScriptModule, type SignalOptions, scope } from '../../torch/index.js'
import { onDevice } from '../../torch/inputs.js'
import { withMethods } from '../../torch/interface.js'
import { Trial } from '../../torch/trial.js'
import { compileCut } from '../edits.js'
import { Bench, copyOf, type Failure, leastPrecise, Refused, type Subject, type Verdict } from './bench.js'
import { flatten, relativeDifference } from './compare.js'
import { firstDifference } from './first-difference.js'
import type { Pass } from './pass.js'
import { Progress } from './progress.js'
import { OtherSizes } from './sizes.js'

export interface Outcome {
  passes: Pass[]
  /** Undefined when every pass holds. `where`: the first operator whose output differs. */
  failure?: Failure & { where?: string | undefined }
}

/** Compares masked and cut models for one recording; holds no state between plans. */
export class Judge {
  private readonly model: ScriptModule
  private readonly recording: Recording
  private readonly analysis: Analysis
  private readonly inputs: readonly ModuleInput[]
  private readonly options: SignalOptions

  constructor(
    model: ScriptModule,
    recording: Recording,
    analysis: Analysis,
    inputs: readonly ModuleInput[],
    options: SignalOptions,
  ) {
    this.model = model
    this.recording = recording
    this.analysis = analysis
    this.inputs = onDevice(withMethods(inputs, recording.methods), 'cpu')
    this.options = options
  }

  /** All passes, up to the first that fails. */
  async judge(
    plan: Plan,
    small: ScriptModule,
    { locate, progress = new Progress(undefined) }: { locate: boolean; progress?: Progress },
  ): Promise<Outcome> {
    const own = this.model.device === 'cpu'
    const model = own ? this.model : await this.model.to('cpu', this.options)
    try {
      return await this.judgeHere(model, plan, small, { locate, progress })
    } finally {
      if (!own) model.dispose()
    }
  }

  private async judgeHere(
    model: ScriptModule,
    plan: Plan,
    small: ScriptModule,
    { locate, progress }: { locate: boolean; progress: Progress },
  ): Promise<Outcome> {
    const { recording, analysis, inputs, options } = this
    const subject = { model, recording, analysis, inputs, plan, small, options, progress }
    let refused: unknown
    for (const dtype of this.dtypes()) {
      const bench = await Bench.create(subject, dtype)
      try {
        return await outcomeOf(bench, subject, locate)
      } catch (error) {
        // A graph with constants or casts of another dtype does not run in this one.
        if (!(error instanceof Refused)) throw error
        refused = error.cause
      } finally {
        bench.dispose()
      }
    }
    throw refused
  }

  /** Whether the plan, reduced to some groups, gives a wrong model. */
  async fails(plan: Plan): Promise<boolean> {
    const request = { ...compileCut(this.analysis, plan), dropMethods: true } as const
    const small = await this.model.cut(this.recording, request, this.options)
    try {
      return (await this.judge(plan, small, { locate: false })).failure?.kind === 'wrong'
    } finally {
      small.dispose()
    }
  }

  /** Whether the model itself gives other outputs each time, with the same state and the same random numbers. */
  async isRandom(): Promise<boolean> {
    const copy = await copyOf(this.model, undefined, this.options)
    const trial = new Trial(copy, this.recording.methods, this.options)
    try {
      return await scope(async () => {
        const run = async () => flatten(await trial.run(this.inputs, 1))
        return relativeDifference(await run(), await run()) > 1e-6
      })
    } finally {
      trial.dispose()
      copy.dispose()
    }
  }

  /** As they are, `undefined`, only where weights are in half precision: nothing better can be had then. */
  private dtypes(): ('float64' | 'float32' | undefined)[] {
    return leastPrecise(this.model).endsWith('float16') ? ['float64', 'float32', undefined] : ['float64', 'float32']
  }
}

/** @throws Refused when the example does not run in the dtype of the bench. */
async function outcomeOf(bench: Bench, subject: Subject, locate: boolean): Promise<Outcome> {
  const passes: Pass[] = []
  for await (const { pass, failure } of verdicts(bench, subject)) {
    if (pass) passes.push(pass)
    if (!failure) continue
    const located = locate && pass && failure.kind === 'wrong' ? await firstDifference(bench, subject) : undefined
    return { passes, failure: { ...failure, where: located } }
  }
  return { passes }
}

async function* verdicts(bench: Bench, subject: Subject): AsyncGenerator<Verdict> {
  const { progress } = subject
  progress.begin('own')
  yield await bench.withOwnWeights()
  progress.begin('refilled')
  yield await bench.refilled('example')
  if (subject.recording.record.secondRun) {
    progress.begin('doubled')
    const verdict = await ifAccepted(() => bench.refilled('doubled'))
    if (verdict) yield verdict
  }
  // What shapes allow, values may still refuse: the end of a table.
  progress.begin('resized')
  for await (const sizes of new OtherSizes(subject)) {
    const verdict = await ifAccepted(() => bench.refilled(sizes))
    if (!verdict) continue
    yield verdict
    return
  }
}

function ifAccepted(run: () => Promise<Verdict>): Promise<Verdict | undefined> {
  return run().catch((error: unknown) => {
    if (error instanceof Refused) return undefined
    throw error
  })
}
