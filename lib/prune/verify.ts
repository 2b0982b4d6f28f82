import { EspalierError } from '../errors.js'
import type { Analysis } from '../graph/index.js'
import { ANALYSIS } from '../graph/schemas.js'
import { signature } from '../schema/index.js'
import {
  call,
  type ModuleInput,
  type ModuleOutput,
  type Recording,
  type ScriptModule,
  scope,
  Tensor,
} from '../torch/index.js'
import { EXAMPLE_INPUTS, MODULE } from '../torch/module.js'
import { RECORDING } from '../torch/recording.js'
import { normsOverKept } from './approximate.js'
import { compileCut } from './edits.js'
import { copyKept, refill, zeroRemoved } from './masked.js'
import { describePlan, PLAN, type Plan, removedUnits } from './plan.js'
import { unitOffsets } from './widths.js'

/** One comparison of the cut model with the masked original, on the example inputs. */
export interface Pass {
  weights: 'own' | 'refilled'
  /** The example inputs, or each joined to itself along dimension 0: another batch size, where the model accepts one. */
  inputs: 'example' | 'doubled'
  dtype: 'float64' | 'float32'
  /** max |cut - masked| / max |masked|, or / 0.001 where that is larger. */
  error: number
  /** max |original - masked| by the same measure: how much the mask itself changes. */
  sensitivity: number
  /** max |masked|. */
  scale: number
}

export interface Verification {
  passes: readonly Pass[]
}

/** Largest relative error that rounding explains. */
const TOLERANCE = { float64: 1e-9, float32: 1e-5 } as const
/** A float32 error may also be at most this part of what the mask changes, where that is above rounding itself. */
const PART_OF_SENSITIVITY = 1e-3
const FLOAT32_ROUNDING = 1e-6
/** Where the outputs tell nothing with one refill (all of a layer at zero, say) the next is tried. */
const REFILL_SEEDS = Array.from({ length: 8 }, (_, k) => 20210516 + k)
/** Outputs below this are too close to nothing to compare in proportion. */
const SILENT = 1e-3

/** @internal */
export const CUT_AND_VERIFY = signature(
  'cutAndVerify',
  ['model', MODULE],
  ['recording', RECORDING],
  ['analysis', ANALYSIS],
  ['plan', PLAN],
  ['inputs', EXAMPLE_INPUTS],
)

/**
 * Cuts a model by a plan and proves the cut: the original with every removed slice set to zero must give the same outputs,
 * with its own weights and with refilled ones. The model given is not changed.
 *
 * @throws EspalierError `ERR_VERIFICATION`, naming the smallest set of groups that fails and keeping nothing;
 * `ERR_UNSUPPORTED` when the cut can't be expressed.
 */
export async function cutAndVerify(
  model: ScriptModule,
  recording: Recording,
  analysis: Analysis,
  plan: Plan,
  inputs: readonly ModuleInput[],
): Promise<{ small: ScriptModule; verification: Verification }> {
  CUT_AND_VERIFY.check(model, recording, analysis, plan, inputs)
  const judge = new Judge(model, recording, analysis, inputs)
  const small = await model.cut(recording, compileCut(analysis, plan))
  try {
    const outcome = await judge.judge(plan, small)
    if (outcome.failure === undefined) return { small, verification: { passes: outcome.passes } }
    if (await judge.isRandom()) {
      throw new EspalierError(
        'ERR_VERIFICATION',
        'the outputs of the model differ from run to run, so that no cut of it can be verified',
        { hint: 'give the random numbers as an input of the model, or leave their part out of it' },
      )
    }
    const groups = await smallestFailure(judge, analysis, plan)
    throw new EspalierError('ERR_VERIFICATION', `the cut model does not equal the masked one: ${outcome.failure}`, {
      detail: groups.map((id) => describeGroup(analysis, id)).join('\n'),
      hint: 'exclude these groups with a ratio function that returns undefined for them, and report the model',
    })
  } catch (error) {
    small.dispose()
    throw error
  }
}

interface Outcome {
  passes: Pass[]
  /** Undefined when every pass holds. */
  failure?: string
}

type Trial = Pick<Pass, 'weights' | 'inputs' | 'dtype'>

/** `blind`: why equal outputs would prove nothing. */
interface Comparison {
  pass: Pass
  blind?: string
}

/** The three modules that are compared, with the same weights. */
interface Modules {
  original: ScriptModule
  masked: ScriptModule
  cut: ScriptModule
}

/** Compares masked and cut models for one recording; holds no state between plans. */
class Judge {
  private readonly model: ScriptModule
  private readonly recording: Recording
  private readonly analysis: Analysis
  private readonly inputs: readonly ModuleInput[]

  constructor(model: ScriptModule, recording: Recording, analysis: Analysis, inputs: readonly ModuleInput[]) {
    this.model = model
    this.recording = recording
    this.analysis = analysis
    this.inputs = inputs
  }

  async judge(plan: Plan, small: ScriptModule): Promise<Outcome> {
    try {
      return await this.judgeIn('float64', plan, small)
    } catch (error) {
      // A graph with float32 constants or explicit casts does not run in float64.
      if (!(error instanceof EspalierError) || error.code !== 'ERR_TORCH') throw error
      return this.judgeIn('float32', plan, small)
    }
  }

  /** Whether the plan, reduced to some groups, fails. */
  async fails(plan: Plan): Promise<boolean> {
    const small = await this.model.cut(this.recording, compileCut(this.analysis, plan))
    try {
      return (await this.judge(plan, small)).failure !== undefined
    } finally {
      small.dispose()
    }
  }

  /** Whether the model itself gives other outputs each time. */
  isRandom(): Promise<boolean> {
    return scope(async () => {
      const run = async () => flatten(await this.model.forwardWith(this.inputs, { grad: false }))
      const first = await run()
      return difference(await run(), first) > TOLERANCE.float32 * Math.max(largest(first), SILENT)
    })
  }

  private async judgeIn(dtype: Pass['dtype'], plan: Plan, small: ScriptModule): Promise<Outcome> {
    const owned: ScriptModule[] = []
    const own = (module: ScriptModule) => {
      owned.push(module)
      return module.eval()
    }
    try {
      const original = own(await this.model.to(dtype))
      const norms = normsOverKept(this.analysis, removedUnits(this.analysis, plan))
      const edited = { slices: [], scaled: [], rewrites: [], ...norms }
      const measure = norms.selects.length > 0 ? own(await this.model.cut(this.recording, edited)) : this.model
      const masked = own(await measure.to(dtype))
      const modules = { original, masked, cut: own(await small.to(dtype)) }
      await zeroRemoved(masked, plan)
      const passes: Pass[] = []
      for (const trial of this.passes(dtype)) {
        const { pass, blind } =
          trial.weights === 'own' ? await this.compare(trial, plan, modules) : await this.refilled(trial, plan, modules)
        passes.push(pass)
        const failure = failureOf(pass) ?? (blind && `inconclusive: ${blind}`)
        if (failure) return { passes, failure }
      }
      return { passes }
    } finally {
      for (const module of owned) module.dispose()
    }
  }

  private passes(dtype: Pass['dtype']): Trial[] {
    const doubled = this.recording.record.secondRun ? [{ weights: 'own', inputs: 'doubled', dtype } as const] : []
    return [{ weights: 'own', inputs: 'example', dtype }, ...doubled, { weights: 'refilled', inputs: 'example', dtype }]
  }

  /** The comparison with the first refill that tells something. */
  private async refilled(trial: Trial, plan: Plan, modules: Modules): Promise<Comparison> {
    const { original, masked, cut } = modules
    let last: Comparison | undefined
    for (const seed of REFILL_SEEDS) {
      await refill(original, this.recording.record, seed)
      await copyKept(original, masked, {})
      await zeroRemoved(masked, plan)
      await copyKept(original, cut, plan.keep)
      last = await this.compare(trial, plan, modules)
      if (last.blind === undefined || failureOf(last.pass)) break
    }
    return last as Comparison
  }

  private compare(trial: Trial, plan: Plan, { original, masked, cut }: Modules): Promise<Comparison> {
    return scope(async () => {
      const inputs = this.inputs.map((input) => mapTensors(input, (t) => prepareInput(t, trial)))
      const outputs = async (m: ScriptModule) => flatten(await m.forwardWith(inputs, { grad: false }))
      const wanted = await outputs(masked)
      const scale = largest(wanted)
      const unit = Math.max(scale, SILENT)
      const error = difference(await outputs(cut), wanted) / unit
      const sensitivity = difference(await outputs(original), wanted) / unit
      const pass: Pass = { ...trial, error, sensitivity, scale }
      // With its own weights a model may well be silent; the refilled ones must tell.
      if (trial.weights === 'own') return { pass }
      if (scale <= SILENT) return { pass, blind: `the outputs are at most ${scale}` }
      const notices = plan.removed.length === 0 || (await this.noticesKept({ original, masked }, plan, outputs, wanted))
      return notices ? { pass } : { pass, blind: 'the outputs do not depend on any of the kept units' }
    })
  }

  /** Whether masking some kept unit changes the outputs: else equal outputs would prove nothing. */
  private async noticesKept(
    { original, masked }: Pick<Modules, 'original' | 'masked'>,
    plan: Plan,
    outputs: (m: ScriptModule) => Promise<Flat[]>,
    wanted: readonly Flat[],
  ): Promise<boolean> {
    const removed = removedUnits(this.analysis, plan)
    const offsets = unitOffsets(this.analysis)
    // Those of the plan first; zeros that only pad a shortcut may be all that it removes, and are never noticed.
    const ids = new Set([...plan.removed.map(({ group }) => group), ...this.analysis.groups.map(({ id }) => id)])
    for (const group of ids) {
      const first = offsets[group] as number
      const size = this.analysis.groups[group]?.size ?? 0
      const kept = Array.from({ length: size }, (_, u) => first + u).filter((u) => !removed[u])
      for (const unit of kept.slice(0, 4)) {
        const more = removed.slice()
        more[unit] = 1
        await zeroRemoved(masked, describePlan(this.analysis, more))
        const noticed = difference(await outputs(masked), wanted) > 0
        await copyKept(original, masked, {})
        await zeroRemoved(masked, plan)
        if (noticed) return true
      }
    }
    return false
  }
}

function failureOf({ error, sensitivity, weights, inputs, dtype }: Pass): string | undefined {
  const where = `with ${weights} weights, ${inputs} inputs, in ${dtype}`
  if (!(error <= TOLERANCE[dtype])) return `relative error ${error} ${where}`
  const part = PART_OF_SENSITIVITY * sensitivity
  if (dtype === 'float64' || part <= FLOAT32_ROUNDING || error <= part) return undefined
  return `error ${error} is too large a part of what the mask changes, ${sensitivity}, ${where}`
}

/** Halves the groups of a failing plan as long as a half still fails. */
async function smallestFailure(judge: Judge, analysis: Analysis, plan: Plan): Promise<number[]> {
  const offsets = unitOffsets(analysis)
  const whole = removedUnits(analysis, plan)
  const fails = async (groups: readonly number[]): Promise<boolean> => {
    const removed = new Uint8Array(whole.length)
    for (const g of groups) {
      const first = offsets[g] as number
      const end = first + (analysis.groups[g]?.size ?? 0)
      removed.set(whole.subarray(first, end), first)
    }
    return judge.fails(describePlan(analysis, removed))
  }
  let suspects = plan.removed.map(({ group }) => group)
  while (suspects.length > 1) {
    const half = suspects.length >> 1
    const [left, right] = [suspects.slice(0, half), suspects.slice(half)]
    if (await fails(left)) suspects = left
    else if (await fails(right)) suspects = right
    else break
  }
  return suspects
}

function describeGroup(analysis: Analysis, id: number): string {
  const group = analysis.groups[id]
  return `group ${id}: ${group?.size} ${group?.kind} of ${group?.members.map((m) => `${m.name}[${m.dim}]`).join(', ')}`
}

function prepareInput(tensor: Tensor, { dtype, inputs }: Pick<Pass, 'dtype' | 'inputs'>): Tensor {
  const cast = tensor.dtype.startsWith('float') ? (call('aten::to.dtype', [tensor, dtype]) as Tensor) : tensor
  return inputs === 'doubled' && cast.shape.length > 0 ? (call('aten::cat', [[cast, cast], 0]) as Tensor) : cast
}

function mapTensors(input: ModuleInput, change: (tensor: Tensor) => Tensor): ModuleInput {
  if (input instanceof Tensor) return change(input)
  if (Array.isArray(input)) return input.map((each) => mapTensors(each, change))
  if (input instanceof Map) return new Map([...input].map(([key, each]) => [key, mapTensors(each, change)]))
  if (typeof input === 'object' && input !== null) {
    return Object.fromEntries(
      Object.entries(input).map(([key, each]) => [key, mapTensors(each as ModuleInput, change)]),
    )
  }
  return input
}

/** Numbers of one output tensor. */
interface Flat {
  shape: readonly number[]
  data: ArrayLike<number | bigint>
}

function flatten(output: ModuleOutput): Flat[] {
  if (output instanceof Tensor) return [{ shape: output.shape, data: output.data() }]
  if (Array.isArray(output)) return output.flatMap((each) => flatten(each))
  if (output instanceof Map) return [...output.values()].flatMap((each) => flatten(each))
  if (typeof output === 'object' && output !== null)
    return Object.values(output).flatMap((each) => flatten(each as ModuleOutput))
  return []
}

function largest(outputs: readonly Flat[]): number {
  let most = 0
  for (const { data } of outputs) for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(Number(data[i])))
  return most
}

/** Largest absolute difference; infinite where shapes differ or one alone is NaN. */
function difference(a: readonly Flat[], b: readonly Flat[]): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let most = 0
  a.forEach((left, k) => {
    const right = b[k] as Flat
    if (left.shape.join() !== right.shape.join()) {
      most = Number.POSITIVE_INFINITY
      return
    }
    for (let i = 0; i < left.data.length; i++) {
      const gap = Math.abs(Number(left.data[i]) - Number(right.data[i]))
      most = Math.max(most, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap)
    }
  })
  return most
}
