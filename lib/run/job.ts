import { createHash } from 'node:crypto'
import { type Description, descriptionOf } from '../base/describe.js'
import { given } from '../base/given.js'
import { groupL2 } from '../importance/index.js'
import { MIN_KEEP } from '../plan/ranking.js'
import { fading } from '../regularize/index.js'
import { type ModuleInput, type ScriptModule, Tensor } from '../torch/index.js'
import type { Dataset } from '../train/index.js'
import { PHASE_DEFAULTS } from '../train/phase.js'
import { optionsOf, type Teacher } from '../train/teacher.js'
import { DEFAULT_SCHEDULE, type PhaseOptions } from './settings.js'
import type { SparsifyOptions } from './types.js'

/** The regularizer of a run that names none. */
export const DEFAULT_REGULARIZER = fading()

type Job = Readonly<Record<string, Description>>

/** Of the options that may be left out. A checkpoint that lacks one was written before there was such an option. */
const DEFAULTS = {
  ...{
    methods: [],
    dropMethods: [],
    dropUnreached: false,
    classAxis: null,
    minKeep: MIN_KEEP,
    keep: [],
    ignore: [],
    finetune: null,
  },
  ...{ norms: 'exact', output: null, metrics: [], teacher: null, rounds: 1, extend: 0, maxDrop: null },
  ...{ importance: descriptionOf(groupL2()), compensate: false, augment: null, seed: 0 },
} as const

/** What has to be the same in a run that goes on: the network, and every option that changes the result, as plain data. */
export function jobOf(model: ScriptModule, options: SparsifyOptions): Job {
  const {
    inputs,
    data,
    loss,
    budget,
    regularizer = DEFAULT_REGULARIZER,
    sparse,
    methods = {},
    dropMethods,
    compensate = false,
  } = options
  const { importance, finetune, augment } = options
  return {
    model: networkOf(model),
    inputs: inputs.map(inputOf),
    data: { train: datasetOf(data.train), validation: data.validation ? datasetOf(data.validation) : null },
    loss: loss === undefined || typeof loss === 'string' ? (loss ?? null) : descriptionOf(loss),
    budget: given(budget),
    regularizer: descriptionOf(regularizer),
    sparse: phaseOf('sparse', sparse ?? {}),
    ...DEFAULTS,
    finetune: finetune === false ? null : phaseOf('finetune', finetune ?? {}),
    ...given({
      methods: Object.entries(methods).map(([name, inputs]) => [name, inputs.map(inputOf)]),
      dropMethods: dropMethods && (dropMethods === true || [...dropMethods]),
      dropUnreached: options.dropUnreached,
      classAxis: options.classAxis,
      minKeep: options.minKeep,
      keep: options.keep && [...options.keep],
      ignore: options.ignore && [...options.ignore],
      norms: options.norms,
      output: options.output,
      rounds: options.rounds,
      extend: options.extend,
      maxDrop: options.maxDrop,
      metrics: options.metrics?.map((metric) => (typeof metric === 'string' ? metric : descriptionOf(metric))),
      teacher: options.teacher && teacherOf(options.teacher),
      importance: importance && descriptionOf(importance),
      compensate: compensate && { batches: calibrationBatches(compensate) },
      augment: augment && descriptionOf(augment),
      seed: options.seed,
    }),
  }
}

/** How many batches of the training data are looked at, by criteria and, where its option says nothing, by the compensation. */
export const CALIBRATION_BATCHES = 8

/** How many batches of the training data a compensation is measured on. */
export const calibrationBatches = (compensate: true | { batches?: number | undefined }): number =>
  (compensate === true ? undefined : compensate.batches) ?? CALIBRATION_BATCHES

/** A job as another version wrote it, which may not have known of every option. */
export function completed(saved: Description): Description {
  const job = saved as Job
  const phase = (name: 'sparse' | 'finetune') =>
    job[name] ? { ...phaseDefaults(name), ...(job[name] as Job) } : DEFAULTS.finetune
  // Before there was a choice, norms computed over what is kept.
  return { ...DEFAULTS, norms: 'kept', ...job, sparse: phase('sparse'), finetune: phase('finetune') }
}

function phaseOf(name: 'sparse' | 'finetune', { optimizer, schedule, ...numbers }: PhaseOptions): Description {
  return {
    ...phaseDefaults(name),
    ...given({
      ...numbers,
      optimizer: optimizer && (typeof optimizer === 'string' ? optimizer : descriptionOf(optimizer)),
      schedule: schedule && descriptionOf(schedule),
    }),
  }
}

const phaseDefaults = (name: 'sparse' | 'finetune'): Job => ({
  ...PHASE_DEFAULTS,
  schedule: descriptionOf(DEFAULT_SCHEDULE[name]),
})

function teacherOf(teacher: true | Teacher): Description {
  const { module, ...options } = optionsOf(teacher)
  return { module: module === undefined ? null : networkOf(module), ...given(options) }
}

/** Names and shapes of its parameters and buffers. */
function networkOf(model: ScriptModule): Description {
  const named = [...model.parameters(), ...model.buffers()].map(([name, { shape }]) => [name, shape])
  return createHash('sha256').update(JSON.stringify(named)).digest('hex').slice(0, 16)
}

function inputOf(input: ModuleInput): Description {
  if (input instanceof Tensor) return { shape: input.shape, dtype: input.dtype }
  if (Array.isArray(input)) return input.map(inputOf)
  if (input instanceof Map) return [...input].map(([key, value]) => [String(key), inputOf(value)])
  if (typeof input === 'bigint') return String(input)
  if (typeof input !== 'object' || input === null) return input as Description
  return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, inputOf(value as ModuleInput)]))
}

const datasetOf = (dataset: Dataset): Description => ({ size: dataset.size, source: descriptionOf(dataset) })

export interface Difference {
  /** `sparse.optimizer.lr` */
  option: string
  saved: Description | undefined
  here: Description | undefined
}

/** The first option in which two jobs differ. One that is missing is as good as none. */
export function differenceOf(
  saved: Description | undefined,
  here: Description | undefined,
  option = '',
): Difference | undefined {
  if (Object.is(saved ?? null, here ?? null)) return undefined
  if (typeof saved !== 'object' || typeof here !== 'object' || !saved || !here) return { option, saved, here }
  const [left, right] = [saved, here] as [Job, Job]
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const found = differenceOf(left[key], right[key], option === '' ? key : `${option}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
