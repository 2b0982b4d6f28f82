import { EspalierError } from '../../base/errors.js'
import { type Analysis, flatArgs } from '../../groups/index.js'
import { unitOffsets } from '../../groups/widths.js'
import { describePlan, type Plan, removedUnits } from '../../plan/plan.js'
import { type ModuleInput, type Recording, type ScriptModule, type SignalOptions, scope } from '../../torch/index.js'
import { courseOn, Trial as Run } from '../../torch/trial.js'
import { normsOverKept } from '../norms.js'
import { type Flat, flatten, largest, relativeDifference, SILENT } from './compare.js'
import { cast, doubled, noisy, resized, type Sizes, tensorsOf } from './inputs.js'
import { copyKept, zeroRemoved } from './masked.js'
import { failureOf, inWords, isSeen, isTelling, type Pass, type Trial } from './pass.js'
import type { Progress } from './progress.js'
import { type Refill, refill } from './refill.js'
import { keepSingle, singleTensors } from './scales.js'

/** What is compared: a recorded model, and its cut by a plan. */
export interface Subject {
  model: ScriptModule
  recording: Recording
  analysis: Analysis
  /** Of all methods that the recording runs. */
  inputs: readonly ModuleInput[]
  plan: Plan
  small: ScriptModule
  options: SignalOptions
  progress: Progress
}

/** With the same weights: the measure is `masked`, to which `cut` must be equal. */
export interface Modules {
  original: Run
  masked: Run
  cut: Run
}

/** What came of a comparison; `pass` is missing where the cut model does not run. */
export interface Verdict {
  pass?: Pass
  /** Undefined: the cut is proved there. */
  failure?: Failure
}

export interface Failure {
  /** `wrong`: the outputs differ, or the cut model does not run; `inconclusive`: equal outputs prove nothing. */
  kind: 'wrong' | 'inconclusive'
  why: string
}

/** The original does not run on such inputs, or in such a dtype. */
export class Refused extends Error {}

/** Other weights and inputs where one refill tells nothing: all of a layer may be at zero, or a sigmoid saturated. */
const ATTEMPTS: readonly (Refill & { noise: boolean })[] = [
  { seed: 20210516, gain: 1, noise: false },
  { seed: 20210517, gain: 1, noise: false },
  { seed: 20210518, gain: 0.5, noise: true },
  { seed: 20210519, gain: 0.1, noise: true },
  { seed: 20210520, gain: 2, noise: true },
  { seed: 20210521, gain: 0.5, noise: false },
  { seed: 20210522, gain: 1, noise: true },
]

/** What a run is given: inputs, and the seed of the random numbers that the program draws. */
interface Given {
  inputs: () => readonly ModuleInput[]
  seed: number
}

/** Original, masked and cut model side by side, in one dtype. */
export class Bench {
  readonly modules: Modules
  /** The last that was compared. */
  given: Given | undefined
  private readonly subject: Subject
  private readonly dtype: 'float64' | 'float32' | undefined
  /** The least precise dtype in which something is computed. */
  private readonly precision: Pass['dtype']
  /** Place in {@link ATTEMPTS} of the weights that the modules have; none: their own. */
  private filled: number | undefined

  private constructor(subject: Subject, modules: Modules, dtype: Bench['dtype'], precision: Pass['dtype']) {
    this.subject = subject
    this.modules = modules
    this.dtype = dtype
    this.precision = precision
  }

  /** @param dtype of the weights; `undefined`: as they are */
  static async create(subject: Subject, dtype: 'float64' | 'float32' | undefined): Promise<Bench> {
    const modules = await copies(subject, dtype)
    try {
      await zeroRemoved(modules.masked.module, subject.plan)
      const course = await scope(() =>
        courseOn(
          modules.original.module,
          subject.recording,
          dtype ? cast(subject.inputs, dtype) : subject.inputs,
          subject.options,
        ),
      )
      const least = course?.narrowed ?? dtype ?? leastPrecise(subject.model)
      return new Bench(subject, modules, dtype, least as Pass['dtype'])
    } catch (error) {
      disposeOf(modules)
      throw error
    }
  }

  dispose(): void {
    disposeOf(this.modules)
  }

  /** With the weights that the model has, on the example: it may be silent, or the mask change nothing. */
  withOwnWeights(): Promise<Verdict> {
    const given = { inputs: () => this.inputsFor('example'), seed: (ATTEMPTS[0] as Refill).seed }
    return this.compare({ weights: 'own', inputs: 'example', dtype: this.precision }, given)
  }

  /** With the first refill that tells something. */
  async refilled(inputs: 'example' | 'doubled' | Sizes): Promise<Verdict> {
    const { plan } = this.subject
    const trial = this.describe(inputs)
    const seen: Flat[][] = []
    let observable = false
    let last: Verdict = {}
    for (const k of new Set([this.filled ?? 0, ...ATTEMPTS.keys()])) {
      const { seed, noise } = await this.fill(k)
      const given = { inputs: () => (noise ? noisy(this.inputsFor(inputs), seed) : this.inputsFor(inputs)), seed }
      last = await this.compare(trial, given)
      const { pass, failure } = last
      if (failure || !pass) return last
      if (pass.scale > SILENT && (plan.removed.length === 0 || isTelling(pass))) return last
      const { outputs, effect } = await this.withoutGroups(given)
      observable ||= isSeen(effect, this.precision)
      seen.push(outputs)
    }
    // What no output ever notices, whatever is left of it, can't be cut wrongly: padding, dead weights.
    if (!observable && seen.some((each) => isSeen(relativeDifference(each, seen[0] as Flat[]), this.precision)))
      return last
    const why = `inconclusive: the mask changes the outputs by ${last.pass?.sensitivity}, of ${last.pass?.scale} at most`
    return { ...last, failure: { kind: 'inconclusive', why: `${why}, ${inWords(trial)}` } }
  }

  private describe(inputs: 'example' | 'doubled' | Sizes): Trial {
    const trial = { weights: 'refilled', dtype: this.precision } as const
    if (typeof inputs === 'string') return { ...trial, inputs }
    const shapes = scope(() => tensorsOf(this.inputsFor(inputs)).map(({ shape }) => shape))
    return { ...trial, inputs: 'resized', shapes }
  }

  private inputsFor(inputs: 'example' | 'doubled' | Sizes): readonly ModuleInput[] {
    const own = this.dtype ? cast(this.subject.inputs, this.dtype) : this.subject.inputs
    return inputs === 'example' ? own : inputs === 'doubled' ? doubled(own) : resized(own, inputs)
  }

  private async fill(k: number): Promise<(typeof ATTEMPTS)[number]> {
    const attempt = ATTEMPTS[k] as (typeof ATTEMPTS)[number]
    if (this.filled === k) return attempt
    const { original, masked, cut } = this.modules
    const { plan, recording } = this.subject
    await refill(original.module, recording.record, attempt)
    await copyKept(original.module, masked.module, {})
    await zeroRemoved(masked.module, plan)
    await copyKept(original.module, cut.module, plan.keep)
    this.filled = k
    return attempt
  }

  /** @throws Refused */
  private compare(trial: Trial, given: Given): Promise<Verdict> {
    this.given = given
    const { original, masked, cut } = this.modules
    return scope(async () => {
      const inputs = given.inputs()
      const run = async (module: Run) => {
        const outputs = flatten(await module.run(inputs, given.seed))
        this.subject.progress.pass()
        return outputs
      }
      const measure = (module: Run) => run(module).catch(refuse)
      const whole = await measure(original)
      if (trial.inputs === 'resized' && !keepsBatch(whole, this.subject.recording)) throw new Refused()
      const wanted = await measure(masked)
      let outputs: Flat[]
      try {
        outputs = await run(cut)
      } catch (error) {
        if (!isTorchError(error)) throw error
        const why = `the cut model does not run ${inWords(trial)}: ${error.message}`
        return { failure: { kind: 'wrong', why } as const }
      }
      const pass: Pass = {
        ...trial,
        error: relativeDifference(outputs, wanted),
        sensitivity: relativeDifference(whole, wanted),
        scale: largest(wanted),
      }
      const why = failureOf(pass)
      return why === undefined ? { pass } : { pass, failure: { kind: 'wrong', why } as const }
    })
  }

  /** Outputs of the original, and how much they change when all units of the plan's groups go, the kept ones too. */
  private withoutGroups({ inputs, seed }: Given): Promise<{ outputs: Flat[]; effect: number }> {
    const { original, masked } = this.modules
    const { analysis, plan } = this.subject
    const offsets = unitOffsets(analysis)
    const removed = removedUnits(analysis, plan).slice()
    for (const { group } of plan.removed) {
      const first = offsets[group] as number
      removed.fill(1, first, first + (analysis.groups[group]?.size ?? 0))
    }
    return scope(async () => {
      const run = async (module: Run) => flatten(await module.run(inputs(), seed))
      await zeroRemoved(masked.module, describePlan(analysis, removed))
      try {
        const outputs = await run(original)
        return { outputs, effect: relativeDifference(await run(masked), outputs) }
      } finally {
        await copyKept(original.module, masked.module, {})
        await zeroRemoved(masked.module, plan)
      }
    })
  }
}

/**
 * Whether outputs have the batch of the example's. A program that carries sizes over into it, as `view(-1, 400)` does, takes
 * larger inputs for more of them, and computes something else.
 */
function keepsBatch(outputs: readonly Flat[], { record }: Recording): boolean {
  if (!record.secondRun) return true
  const tensors = flatArgs(record.output).flatMap((id) => {
    const value = record.values[id]
    return value?.kind === 'tensor' ? [value] : []
  })
  return tensors.every(({ shape }, k) => shape[0] === outputs[k]?.shape[0])
}

/** Copies in eval mode. The measure of an approximate cut computes its norms over what is kept. */
async function copies(subject: Subject, dtype: Bench['dtype']): Promise<Modules> {
  const { model, recording, analysis, plan, small, options } = subject
  const rewrites = normsOverKept(analysis, removedUnits(analysis, plan))
  const measure = rewrites.length > 0 ? await model.cut(recording, { rewrites, dropMethods: true }, options) : model
  const modules: Partial<Modules> = {}
  try {
    for (const [name, module] of Object.entries({ original: model, masked: measure, cut: small })) {
      const copy = (await copyOf(module, dtype, options)).eval()
      if (dtype === 'float64') await keepSingle(copy, singleTensors(recording.record))
      modules[name as keyof Modules] = new Run(copy, recording.methods, options)
    }
    return modules as Modules
  } catch (error) {
    disposeOf(modules)
    throw error
  } finally {
    if (measure !== model) measure.dispose()
  }
}

/** On the CPU: what is tried there at other sizes and refused would end all work on a GPU. */
export async function copyOf(
  module: ScriptModule,
  dtype: Bench['dtype'],
  options: SignalOptions,
): Promise<ScriptModule> {
  if (module.device === 'cpu') return module.to(dtype ?? 'cpu', options)
  const copy = await module.to('cpu', options)
  if (dtype === undefined) return copy
  try {
    return await copy.to(dtype, options)
  } finally {
    copy.dispose()
  }
}

function disposeOf(modules: Partial<Modules>): void {
  for (const run of Object.values(modules)) {
    run.dispose()
    run.module.dispose()
  }
}

const PRECISIONS: readonly Pass['dtype'][] = ['bfloat16', 'float16', 'float32', 'float64']

/** Of the tensors of a module. */
export function leastPrecise(module: ScriptModule): Pass['dtype'] {
  const own = new Set<string>([...module.parameters().values(), ...module.buffers().values()].map(({ dtype }) => dtype))
  return PRECISIONS.find((dtype) => own.has(dtype)) ?? 'float32'
}

function isTorchError(error: unknown): error is EspalierError {
  return error instanceof EspalierError && error.code === 'ERR_TORCH'
}

function refuse(error: unknown): never {
  throw isTorchError(error) ? new Refused(error.message, { cause: error }) : error
}
