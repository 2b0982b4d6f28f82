import { createHash } from 'node:crypto'
import { type Description, descriptionOf } from '../base/describe.js'
import { groupL2 } from '../importance/index.js'
import { constant, cosine } from '../optim/schedule.js'
import { BUDGET_NAMES } from '../plan/budgets/index.js'
import { type ModuleInput, type ScriptModule, Tensor } from '../torch/index.js'
import type { Dataset } from '../train/index.js'
import { PHASE_DEFAULTS, type Phase } from '../train/loop.js'
import type { SparsifyOptions } from './types.js'

/** The schedule of a phase that names none. */
export const DEFAULT_SCHEDULE = { sparse: constant(), finetune: cosine() } as const

type Job = Readonly<Record<string, Description>>

/** What has to be the same in a run that goes on: the network, and every option that changes the result, as plain data. */
export function jobOf(model: ScriptModule, options: SparsifyOptions): Job {
  const { inputs, data, loss, classAxis = null, budget, minKeep = 0.1, importance = groupL2() } = options
  const { regularizer, sparse, finetune, compensate = false, augment, seed = 0 } = options
  const { methods = {}, dropMethods = [], dropUnreached = false } = options
  return {
    model: networkOf(model),
    inputs: inputs.map(inputOf),
    methods: Object.entries(methods).map(([name, inputs]) => [name, inputs.map(inputOf)]),
    dropMethods: dropMethods === true || [...dropMethods],
    dropUnreached,
    data: { train: datasetOf(data.train), validation: data.validation ? datasetOf(data.validation) : null },
    loss: typeof loss === 'string' ? loss : descriptionOf(loss),
    classAxis,
    budget: Object.fromEntries(BUDGET_NAMES.map((name) => [name, budget[name] ?? null])),
    minKeep,
    importance: descriptionOf(importance),
    regularizer: descriptionOf(regularizer),
    sparse: phaseOf('sparse', sparse),
    finetune: finetune ? phaseOf('finetune', finetune) : null,
    compensate: compensate === false ? false : { batches: (compensate === true ? undefined : compensate.batches) ?? 8 },
    augment: augment ? descriptionOf(augment) : null,
    seed,
  }
}

function phaseOf(name: 'sparse' | 'finetune', phase: Phase): Description {
  const { optimizer, schedule = DEFAULT_SCHEDULE[name], ...numbers } = phase
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  return {
    ...PHASE_DEFAULTS,
    ...given,
    optimizer: descriptionOf(optimizer),
    schedule: descriptionOf(schedule),
  }
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

const datasetOf = (dataset: Dataset): Description => ({ size: dataset.size })

export interface Difference {
  /** `sparse.optimizer.lr` */
  option: string
  saved: Description | undefined
  here: Description | undefined
}

/** The first option in which two jobs differ. */
export function differenceOf(
  saved: Description | undefined,
  here: Description | undefined,
  option = '',
): Difference | undefined {
  if (Object.is(saved, here)) return undefined
  if (typeof saved !== 'object' || typeof here !== 'object' || !saved || !here) return { option, saved, here }
  const [left, right] = [saved, here] as [Job, Job]
  for (const key of new Set([...Object.keys(right), ...Object.keys(left)])) {
    const found = differenceOf(left[key], right[key], option === '' ? key : `${option}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
