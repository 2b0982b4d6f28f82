import { existsSync } from 'node:fs'
import type { Description } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { fromJson, toJson } from '../base/json.js'
import { RANDOM_STATE } from '../base/random.js'
import {
  count,
  faultOf,
  flag,
  like,
  maybe,
  number,
  object,
  oneOf,
  path as pathSchema,
  thing,
} from '../base/schema/index.js'
import type { Plan, Verification } from '../cut/index.js'
import { VERIFICATION } from '../cut/verify/verify.js'
import type { OpRecord } from '../groups/index.js'
import { RECORD } from '../groups/schemas.js'
import { REMOVED_UNITS } from '../plan/schemas.js'
import type { RegularizerState } from '../regularize/index.js'
import { REGULARIZER_STATE } from '../regularize/types.js'
import { type Entries, randomState, readEntries, setRandomState, writeEntries } from '../torch/checkpoint.js'
import { type Device, type InterfaceReport, load, type ScriptModule, scope, Tensor } from '../torch/index.js'
import { INTERFACE_REPORT } from '../torch/interface.js'
import type { TrainState } from '../train/index.js'
import type { Held } from './at-the-cut.js'
import { completed, differenceOf, jobOf } from './job.js'
import type { FoundLrs } from './settings.js'
import type { SparsifyOptions, SparsifyResult } from './types.js'

/** Where a run writes where it is, and goes on from. */
export interface CheckpointOptions {
  /** The file; it is always the last whole checkpoint, whenever the process ends. */
  path: string
  /** Optimizer steps between two checkpoints, 1 or more; one pass over the data by default. Each phase ends with one, too. */
  every?: number | undefined
  /** Go on from the file, if it is there. False by default: a run starts afresh, and replaces the file. */
  resume?: boolean | undefined
}

/** @internal */
export const CHECKPOINT_OPTIONS = object<CheckpointOptions>({
  path: pathSchema,
  every: maybe(count()),
  resume: maybe(flag),
})

/** Everything that a run knows and that is no tensor: plain data. */
export interface RunState {
  schema: 2
  /** What has to be the same in the run that goes on, as the options and what they were made of describe themselves. */
  job: Description
  phase: 'sparse' | 'finetune'
  train: Omit<TrainState, 'optimizer'> & { steps: number }
  regularizer: RegularizerState
  /** The units of the plan. */
  removed: Plan['removed']
  /** The round of the regularized phase, and what was cut before it: of one after the first, the module in work is that cut. */
  round?: number | undefined
  before?: Plan['removed'] | undefined
  /** Learning rates that trials found, by the name of the optimizer. */
  lrs?: FoundLrs | undefined
  history: SparsifyResult['history']
  evaluations: SparsifyResult['evaluations']
  /** Of the full model; once it was cut. */
  cut?:
    | { record: OpRecord; verification: Verification; interface: InterfaceReport; held?: readonly Held[] | undefined }
    | undefined
}

const RUN_STATE = object<RunState>({
  schema: thing('2', (value) => value === SCHEMA),
  job: thing('an object', (value) => typeof value === 'object' && value !== null),
  phase: oneOf('sparse', 'finetune'),
  train: object<RunState['train']>({
    ...{ iteration: count(0), epoch: count(), batch: count(0), examples: count(0), steps: count(0) },
    ...{ loss: number(), passRandom: RANDOM_STATE, random: RANDOM_STATE },
  }),
  regularizer: REGULARIZER_STATE,
  removed: REMOVED_UNITS,
  round: maybe(count()),
  before: maybe(REMOVED_UNITS),
  lrs: maybe(like<FoundLrs>('learning rates', {})),
  history: thing('a list', Array.isArray),
  evaluations: like<RunState['evaluations']>('an object', {}),
  cut: maybe(
    object<NonNullable<RunState['cut']>>({
      ...{ record: RECORD, verification: VERIFICATION, interface: INTERFACE_REPORT },
      held: maybe(REMOVED_UNITS),
    }),
  ),
})

/** A checkpoint as it was read: dispose of the model. */
export interface Resumed {
  state: RunState
  model: ScriptModule
  train: TrainState
}

const SCHEMA = 2
const MODEL = 'model'
const RANDOM = 'random/'
const STATE = 'state'
const OPTIMIZER = 'optimizer/'

/**
 * Writes and reads the checkpoints of a run: one file, a dict of tensors (`model`: the bytes of a `.pt` of the module in work;
 * `optimizer/<part>/<parameter>`; `random/<device>`: LibTorch's generators) and one text of JSON, `state`, a {@link RunState}.
 */
export class Checkpoints {
  readonly #job: Description
  readonly #device: Device
  readonly #signal: AbortSignal | undefined
  readonly #own: CheckpointOptions

  constructor(model: ScriptModule, options: SparsifyOptions, own: CheckpointOptions) {
    this.#job = jobOf(model, options)
    this.#device = model.device
    this.#signal = options.signal
    this.#own = own
  }

  /** Whether there is one to be written after this step. */
  isDue(iteration: number, iterations: number, epochs: number): boolean {
    const every = this.#own.every ?? iterations / epochs
    return iteration % every === 0 || iteration === iterations
  }

  async write(
    model: ScriptModule,
    state: Omit<RunState, 'schema' | 'job' | 'train'>,
    train: TrainState,
  ): Promise<void> {
    const { optimizer, ...position } = train
    const whole: RunState = {
      schema: SCHEMA,
      job: this.#job,
      ...state,
      train: { ...position, steps: optimizer.steps },
    }
    const bytes = await model.toBuffer({ signal: this.#signal })
    await scope(async () => {
      const entries: Record<string, Tensor | string> = {
        [STATE]: toJson(whole),
        [MODEL]: Tensor.from(bytes, [bytes.length]),
      }
      for (const [device, random] of Object.entries(await randomState())) entries[`${RANDOM}${device}`] = random
      for (const [name, parts] of optimizer.tensors) {
        for (const [part, tensor] of Object.entries(parts)) entries[`${OPTIMIZER}${part}/${name}`] = tensor
      }
      await writeEntries(this.#own.path, entries)
    })
  }

  /**
   * The last one, when it is there and wanted; LibTorch's random numbers go on from it.
   *
   * @throws ERR_CHECKPOINT when it is damaged, of a newer version or of another run
   */
  async read(): Promise<Resumed | undefined> {
    const { path, resume = false } = this.#own
    if (!resume || !existsSync(path)) return undefined
    const entries = await readEntries(path)
    const state = this.#checked(entries[STATE])
    const [bytes, random] = [entries[MODEL], randomStates(entries)]
    if (!(bytes instanceof Tensor) || random.length === 0) throw this.#broken('it has no model or no random state')
    const device = this.#device
    const model = await load(bytes.data() as Uint8Array, { device, repair: false, signal: this.#signal })
    // It was written in the middle of an epoch; a training gives the module back in the mode in which it gets it.
    model.eval()
    for (const [device, state] of random) {
      await setRandomState(device, state)
      state.dispose()
    }
    bytes.dispose()
    const { steps, ...position } = state.train
    return { state, model, train: { ...position, optimizer: { steps, tensors: optimizerTensors(entries) } } }
  }

  #checked(text: Tensor | string | undefined): RunState {
    if (typeof text !== 'string') throw this.#broken('it has no state')
    let state: RunState
    try {
      state = fromJson(text) as RunState
    } catch {
      throw this.#broken('its state is no JSON')
    }
    if (state?.schema !== SCHEMA) {
      throw this.#broken(`it has schema ${String(state?.schema)}, this version reads ${SCHEMA}`)
    }
    const fault = faultOf(RUN_STATE, state, '', 'state')
    if (fault !== undefined) throw this.#broken(`its state is damaged: ${fault.words}`)
    const different = differenceOf(completed(state.job), this.#job)
    if (different !== undefined) {
      const { option, saved, here } = different
      throw this.#broken(`it is of another run: '${option}' is ${inWords(saved)} there, and ${inWords(here)} here`)
    }
    return state
  }

  #broken(why: string): EspalierError {
    return new EspalierError('ERR_CHECKPOINT', `${this.#own.path}: ${why}`, {
      hint: 'Give the options of the run that wrote it, or start afresh without resume.',
    })
  }
}

const inWords = (value: Description | undefined): string =>
  value === null || value === undefined ? 'none' : JSON.stringify(value)

function randomStates(entries: Entries): [device: string, state: Tensor][] {
  return Object.entries(entries).flatMap(([key, state]) =>
    key.startsWith(RANDOM) && state instanceof Tensor ? [[key.slice(RANDOM.length), state]] : [],
  )
}

function optimizerTensors(entries: Entries): TrainState['optimizer']['tensors'] {
  const tensors = new Map<string, Record<string, Tensor>>()
  for (const [key, tensor] of Object.entries(entries)) {
    if (!key.startsWith(OPTIMIZER) || !(tensor instanceof Tensor)) continue
    const slash = key.indexOf('/', OPTIMIZER.length)
    const [part, name] = [key.slice(OPTIMIZER.length, slash), key.slice(slash + 1)]
    tensors.set(name, { ...tensors.get(name), [part]: tensor })
  }
  return tensors
}
