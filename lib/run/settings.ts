import { type Description, descriptionOf } from '../base/describe.js'
import { given } from '../base/given.js'
import { count, either, maybe, object, oneOf } from '../base/schema/index.js'
import { adamw } from '../optim/adamw.js'
import { OPTIMIZER, type OptimizerFactory } from '../optim/optimizer.js'
import { constant, cosine, type LrSchedule } from '../optim/schedule.js'
import { sgd } from '../optim/sgd.js'
import { type ScriptModule, scope } from '../torch/index.js'
import { batchCount, batches } from '../train/index.js'
import { clearName, unclear } from '../train/losses/clear.js'
import type { ObjectiveOptions } from '../train/objective.js'
import { floatsOf, partOf } from '../train/output.js'
import { PHASE_DEFAULTS, PHASE_ENTRIES, type Phase } from '../train/phase.js'
import { type BestLrs, recoveringLrs, type Trial } from './lr-trial.js'
import type { SparsifyOptions } from './types.js'

/** Optimizers whose learning rate short trials find. */
export type OptimizerName = 'adamw' | 'sgd'

const NAMED: Readonly<Record<OptimizerName, { make: (lr: number) => OptimizerFactory; rates: readonly number[] }>> = {
  adamw: { make: (lr: number) => adamw({ lr }), rates: [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2] },
  sgd: { make: (lr: number) => sgd({ lr, momentum: 0.9 }), rates: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1] },
}
/** What trials found. */
export type FoundLrs = { readonly [name in OptimizerName]?: BestLrs }

/** A phase of `sparsify`, of which everything may be left out. */
export interface PhaseOptions extends Omit<Phase, 'optimizer' | 'epochs'> {
  /** 1 or more, of all rounds together; by default 500 steps or more, and 3 epochs or more, under the regularizer, and two thirds of them after the cut. */
  epochs?: number | undefined
  /**
   * Such as `sgd({ lr: 0.1 })`, or a name: `'sgd'` (with momentum 0.9), or `'adamw'`, the default. The learning rate of a named one is
   * that at which the network recovers best from the cut that is planned, and before the cut does not suffer, in short trials before the
   * phase.
   */
  optimizer?: OptimizerFactory | OptimizerName | undefined
}

const NAMES = Object.keys(NAMED) as OptimizerName[]

/** @internal */
export const PHASE_OPTIONS = object<PhaseOptions>({
  ...PHASE_ENTRIES,
  epochs: maybe(count()),
  optimizer: maybe(
    either(`${NAMES.map((name) => `'${name}'`).join(', ')} or an optimizer`, oneOf(...NAMES), OPTIMIZER),
  ),
})

/** Optimizer steps of the regularized phase, at least, where its epochs are left out; with at least so many epochs. */
const [STEPS, EPOCHS] = [500, 3]
/** Epochs of the fine-tuning where they are left out, as a part of those of the regularized phase. */
const TUNING = 2 / 3

/** The schedule of a phase that names none. */
export const DEFAULT_SCHEDULE: Readonly<Record<'sparse' | 'finetune', LrSchedule>> = {
  sparse: constant(),
  finetune: cosine({ warmup: 0.1 }),
}
/** That of the regularized phase where its optimizer is left to the run, too: the units fade in the part that is held. */
const SPARSE_SCHEDULE = cosine({ hold: 0.6, floor: 0.05 })

/** Both phases with everything that they need. */
export interface Phases {
  sparse: Phase
  finetune: Phase | undefined
}

/** The options' phases, their optimizers still by name where they are named so. */
interface Planned {
  sparse: Omit<Phase, 'optimizer'> & { optimizer: OptimizerFactory | OptimizerName }
  finetune: (Omit<Phase, 'optimizer'> & { optimizer: OptimizerFactory | OptimizerName }) | undefined
}

function planned({ sparse = {}, finetune = {}, rounds = 1, data }: SparsifyOptions): Planned {
  const { batchSize = PHASE_DEFAULTS.batchSize, dropLast, optimizer = 'adamw' } = sparse
  const perEpoch = Math.max(1, batchCount(data.train, batchSize, dropLast))
  const epochs = sparse.epochs ?? Math.max(EPOCHS, Math.ceil(STEPS / perEpoch))
  const schedule = typeof optimizer === 'string' ? SPARSE_SCHEDULE : DEFAULT_SCHEDULE.sparse
  return {
    sparse: { schedule, batchSize, ...given(sparse), epochs: Math.max(1, Math.round(epochs / rounds)), optimizer },
    finetune:
      finetune === false
        ? undefined
        : {
            ...{ schedule: DEFAULT_SCHEDULE.finetune, batchSize, epochs: Math.ceil(TUNING * epochs), optimizer },
            ...given(finetune),
          },
  }
}

/** Examples in a batch of the regularized phase. */
export const batchSizeOf = ({ sparse = {} }: SparsifyOptions): number => sparse.batchSize ?? PHASE_DEFAULTS.batchSize

/**
 * The phases of a run.
 *
 * @param model before the cut
 * @param trial makes the cut network that learning rates are tried on, where some must be
 * @param objective what is trained for
 * @param known learning rates that were found before
 */
export async function* settle(
  model: ScriptModule,
  options: SparsifyOptions,
  objective: ObjectiveOptions,
  trial: () => Promise<ScriptModule>,
  known: FoundLrs = {},
): AsyncGenerator<TrialEvent, { phases: Phases; found: FoundLrs }, void> {
  const { sparse, finetune } = planned(options)
  const found: { [name in OptimizerName]?: BestLrs } = { ...known }
  for (const { optimizer, batchSize, dropLast, microBatches, clipNorm, lossScale } of [sparse, finetune ?? sparse]) {
    if (typeof optimizer !== 'string' || found[optimizer] !== undefined) continue
    const { data, augment, seed, signal } = options
    const phase = given({ batchSize, dropLast, microBatches, clipNorm, lossScale })
    const { make, rates } = NAMED[optimizer]
    const cut = await trial()
    try {
      const trials = recoveringLrs({ cut, whole: model }, make, rates, {
        ...objective,
        ...phase,
        data,
        augment,
        seed,
        signal,
      })
      found[optimizer] = yield* asEvents(trials, optimizer)
    } finally {
      cut.dispose()
    }
  }
  const withFactory = (phase: Planned['sparse'], use: keyof BestLrs): Phase => {
    const { optimizer } = phase
    if (typeof optimizer !== 'string') return { ...phase, optimizer }
    return { ...phase, optimizer: NAMED[optimizer].make((found[optimizer] as BestLrs)[use]) }
  }
  const phases = {
    sparse: withFactory(sparse, 'sparse'),
    finetune: finetune && withFactory(finetune, 'finetune'),
  }
  return { phases, found }
}

/** A learning rate was tried, and the loss at the end of the trial. */
export interface TrialEvent extends Trial {
  kind: 'trial'
  optimizer: OptimizerName
}

async function* asEvents(
  trials: AsyncGenerator<Trial, BestLrs, void>,
  optimizer: OptimizerName,
): AsyncGenerator<TrialEvent, BestLrs, void> {
  for (let next = await trials.next(); ; next = await trials.next()) {
    if (next.done) return next.value
    yield { kind: 'trial', optimizer, ...next.value }
  }
}

/** What a run was made with, defaults filled in, as plain data. */
export interface Settings {
  /** The name of a loss, `'teacher'` where it is that alone, or what a function tells of itself. */
  loss: Description
  regularizer: Description
  sparse: Description
  finetune: Description
}

export const settingsOf = (loss: Description, regularizer: object, { sparse, finetune }: Phases): Settings => ({
  loss,
  regularizer: descriptionOf(regularizer),
  sparse: phaseDescription(sparse),
  finetune: finetune === undefined ? null : phaseDescription(finetune),
})

const phaseDescription = ({ optimizer, schedule, ...numbers }: Phase): Description => ({
  ...PHASE_DEFAULTS,
  ...given(numbers),
  optimizer: descriptionOf(optimizer),
  schedule: schedule === undefined ? null : descriptionOf(schedule),
})

const SCORES =
  "outputs are compared with the teacher's as they are; where they are scores of classes, loss: 'cross-entropy' teaches better"

/**
 * What is trained for, in a word: by the first batch where the options name no loss.
 *
 * @throws ERR_INVALID_ARGUMENT where it is not clear
 */
export async function lossInWords(model: ScriptModule, options: SparsifyOptions): Promise<Description> {
  const { loss, data, output: path, teacher, signal } = options
  if (loss !== undefined) return typeof loss === 'string' ? loss : descriptionOf(loss)
  const inputNames = model.inputNames()
  for await (const { inputs, targets } of batches(data.train, {
    batchSize: 2,
    device: model.device,
    signal,
    inputNames,
  })) {
    return await scope(async () => {
      const output = partOf(await model.forwardWith(inputs, { grad: false, signal }), path)
      const name = clearName(output, targets)
      if (name !== undefined) return name
      if (teacher === undefined) throw unclear(targets)
      if (floatsOf(output).some(([, { shape }]) => shape.length === 2 && (shape[1] as number) > 1)) {
        options.onWarning?.(SCORES)
      }
      return 'teacher'
    })
  }
  return null
}
