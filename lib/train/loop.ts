import { EspalierError } from '../base/errors.js'
import { RANDOM_STATE, Random, type RandomState } from '../base/random.js'
import { count, func, like, maybe, number, object, signal as signalSchema, signature } from '../base/schema/index.js'
import { OPTIMIZER_STATE, type OptimizerState } from '../optim/optimizer.js'
import { constant, factorOf, largestFactor } from '../optim/schedule.js'
import type { Stepping } from '../optim/stability.js'
import type { Regularizer } from '../regularize/index.js'
import { REGULARIZER } from '../regularize/types.js'
import { manualSeed, type ScriptModule } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { batchCount, batches } from './data/batches.js'
import { AUGMENT, type Augment, DATASET, type Dataset } from './data/dataset.js'
import { type Evaluation, evaluate, mustHaveExamples } from './evaluate.js'
import { OBJECTIVE_ENTRIES, type ObjectiveOptions, objectiveOf } from './objective.js'
import { PHASE_ENTRIES, type Phase, wholePhase } from './phase.js'
import { Stepper } from './stepper.js'
import { optionsOf } from './teacher.js'

export interface TrainOptions extends Phase, ObjectiveOptions {
  /** Examples to train on, and others to evaluate on after each epoch where there are such. */
  data: { train: Dataset; validation?: Dataset | undefined }
  /** Changes the training examples of each batch, such as `randomShift()`; none by default. */
  augment?: Augment | undefined
  /** An integer, 0 or more; 0 by default. The same seed gives the same run, bit by bit, on the same machine and thread count. */
  seed?: number | undefined
  /**
   * Attached to this model, for {@link phaseLength} iterations; none by default. When it is done, the training ends, within an
   * epoch, too.
   */
  regularizer?: Regularizer | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
  /**
   * Goes on from here, bit by bit as if it had never stopped, on the same machine and thread count: with the model, and
   * the regularizer, as they were. LibTorch's own random numbers are the caller's to restore. From the start by default.
   */
  resume?: TrainState | undefined
  /** State of an optimizer to begin with, of parameters of the same names and shapes; none by default. */
  begin?: OptimizerState | undefined
  /** Asked after the last epoch, and each one more: whether there is to be another, with its number. There is none by default. */
  goOn?: ((epoch: number) => Promise<boolean> | boolean) | undefined
  /** Called after every optimizer step, before its record is given; the training waits for it. Nothing by default. */
  onStep?: ((state: () => TrainState) => Promise<void> | void) | undefined
}

/** Where a training is, apart from the model and its regularizer. */
export interface TrainState {
  /** Optimizer steps made. */
  iteration: number
  /** The pass of the last step, from 1, and the steps made in it. */
  epoch: number
  batch: number
  /** Sums over the examples of the pass so far. */
  loss: number
  examples: number
  /** Of the order and the augmentation: at the start of the pass, and now. */
  passRandom: RandomState
  random: RandomState
  /** Its tensors are the optimizer's own, and change with its next step. */
  optimizer: OptimizerState
}

/** @internal */
export const DATA = object<TrainOptions['data']>({ train: DATASET, validation: maybe(DATASET) })

const TRAIN_OPTIONS = object<TrainOptions>({
  ...PHASE_ENTRIES,
  data: DATA,
  ...OBJECTIVE_ENTRIES,
  augment: maybe(AUGMENT),
  seed: maybe(count(0)),
  regularizer: maybe(REGULARIZER),
  signal: maybe(signalSchema),
  resume: maybe(
    like<TrainState>('the state of a training, as onStep gives it', {
      ...{ iteration: count(0), epoch: count(), batch: count(0), examples: count(0) },
      ...{ loss: number(), passRandom: RANDOM_STATE, random: RANDOM_STATE, optimizer: OPTIMIZER_STATE },
    }),
  ),
  begin: maybe(OPTIMIZER_STATE),
  goOn: maybe(func<NonNullable<TrainOptions['goOn']>>()),
  onStep: maybe(func<NonNullable<TrainOptions['onStep']>>()),
})
/** @internal */
export const TRAIN = signature('train', ['model', MODULE], ['options', TRAIN_OPTIONS])
/** @internal */
export const PHASE_LENGTH = signature('phaseLength', ['options', TRAIN_OPTIONS])
/** @internal */
export const LARGEST_STEPPING = signature('largestStepping', ['options', TRAIN_OPTIONS])

/** One optimizer step was made. */
export interface BatchEvent {
  kind: 'batch'
  /** From 1, as is `iteration`. */
  epoch: number
  epochs: number
  iteration: number
  iterations: number
  loss: number
  lr: number
}

/** One pass over the training data was made, or the last one was ended by the regularizer. */
export interface EpochEvent {
  kind: 'epoch'
  /** From 1, as is `iteration`. */
  epoch: number
  epochs: number
  iteration: number
  iterations: number
  /** Mean training loss over the epoch's examples, as seen while training. */
  loss: number
  /** Learning rate of the epoch's last step. */
  lr: number
  /** Wall time of the epoch without the validation. */
  seconds: number
  validation?: Evaluation
}

/** What happens in a training. */
export type TrainEvent = BatchEvent | EpochEvent

/**
 * Number of optimizer steps that {@link train} makes with these options.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { sgd } from 'espalier'
 * import { phaseLength } from 'espalier/analysis'
 * import { data } from './data.js'
 *
 * const optimizer = sgd({ lr: 0.1 })
 * console.log(phaseLength({ data, loss: 'cross-entropy', epochs: 3, batchSize: 16, optimizer })) // 9
 * ```
 */
export function phaseLength(options: TrainOptions): number {
  PHASE_LENGTH.check(options)
  const { data, batchSize, dropLast, epochs } = wholePhase(options)
  return batchCount(data.train, batchSize, dropLast) * epochs
}

/**
 * How the optimizer steps at the schedule's largest learning rate.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { lr, sgd } from 'espalier'
 * import { largestStepping } from 'espalier/analysis'
 * import { data } from './data.js'
 *
 * const phase = { epochs: 3, optimizer: sgd({ lr: 0.1, momentum: 0.9 }), schedule: lr.step({ every: 2 }) }
 * const { lr: rate, momentum } = largestStepping({ ...phase, data, loss: 'cross-entropy' })
 * console.log(rate, momentum) // 0.1 0.9
 * ```
 */
export function largestStepping(options: TrainOptions): Stepping {
  LARGEST_STEPPING.check(options)
  const { optimizer, schedule = constant(), epochs } = options
  return optimizer.stepping(optimizer.lr * largestFactor(schedule, epochs, phaseLength(options)))
}

/** @throws ERR_INVALID_ARGUMENT where the model in training would teach itself */
function mustBeAnother(model: ScriptModule, { teacher }: TrainOptions): void {
  if (teacher === undefined || optionsOf(teacher).module !== model) return
  const hint = 'Pass what it was, as teacher: await model.clone().'
  throw new EspalierError('ERR_INVALID_ARGUMENT', 'the teacher is the model in training', { hint })
}

function mustTrain(model: ScriptModule): void {
  if ([...model.parameters().values()].some(({ requiresGrad }) => requiresGrad)) return
  const hint = 'for (const parameter of model.parameters().values()) parameter.requiresGrad = true'
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    'no parameter of the model takes gradients: there is nothing to train',
    { hint },
  )
}

/**
 * Trains a module in place, step by step as the records are asked for: nothing happens without the loop over them.
 *
 * Between two records, and after an error or an abort, the weights are those of the last complete step; the module's mode
 * is restored and the gradients are dropped.
 *
 * @throws EspalierError ERR_NOT_FINITE for a NaN or infinite loss or gradient, naming the iteration, before the step that it
 *   would spoil, and for a parameter that is one at the end of a pass; ERR_ABORTED when `signal` is raised; ERR_INVALID_ARGUMENT for an option out of its range; ERR_TORCH when the
 *   model doesn't run on the data
 * @example
 * ```ts
 * import { load, lr, sgd, train } from 'espalier'
 * import { data } from './data.js'
 *
 * const model = await load('model.pt')
 * const phase = { epochs: 2, batchSize: 16, optimizer: sgd({ lr: 0.1, momentum: 0.9 }), schedule: lr.cosine() }
 * for await (const event of train(model, { ...phase, data, loss: 'cross-entropy' })) {
 *   if (event.kind === 'epoch') console.log(`epoch ${event.epoch} of ${event.epochs}, step ${event.iteration}`)
 * }
 * // epoch 1 of 2, step 3
 * // epoch 2 of 2, step 6
 * ```
 */
export async function* train(model: ScriptModule, options: TrainOptions): AsyncGenerator<TrainEvent, void, void> {
  TRAIN.check(model, options)
  const whole = wholePhase(options)
  const { data, schedule = constant(), batchSize, dropLast, augment, signal } = whole
  const { epochs, seed = 0 } = whole
  const iterations = phaseLength(options)
  if (data.validation !== undefined) mustHaveExamples(data.validation)
  if (iterations === 0) throw new EspalierError('ERR_INVALID_ARGUMENT', 'the training data has not one batch')
  mustTrain(model)
  mustBeAnother(model, options)
  const { training: wasTraining, device } = model
  const { resume, onStep, goOn, regularizer } = options
  const inputNames = model.inputNames()
  const stepper = new Stepper(model, whole)
  const random = new Random(resume?.passRandom ?? seed)
  if (resume === undefined) manualSeed(seed)
  let iteration = resume?.iteration ?? 0
  const first = resume?.epoch ?? 1
  // For the record of a pass that was complete, but for its record.
  if (resume !== undefined)
    stepper.factor = factorOf(schedule, { iteration: iteration - 1, iterations, epoch: first - 1, epochs })
  try {
    for (let epoch = first; epoch <= epochs || epoch === resume?.epoch || (await goOn?.(epoch)); epoch++) {
      const start = performance.now()
      const before = epoch === first ? resume : undefined
      let { batch: made, loss, examples } = before ?? { batch: 0, loss: 0, examples: 0 }
      const passRandom = random.state
      model.train()
      const at = before && { batch: before.batch, random: before.random }
      const passed = { batchSize, random, augment, dropLast, device, resume: at, signal, inputNames }
      const rest = before !== undefined && regularizer?.done ? [] : batches(data.train, passed)
      for await (const batch of rest) {
        stepper.factor = factorOf(schedule, { iteration, iterations, epoch: epoch - 1, epochs })
        iteration++
        const batchLoss = await stepper.step(batch, iteration, `iteration ${iteration} (epoch ${epoch})`)
        loss += batchLoss * batch.size
        examples += batch.size
        made++
        await onStep?.(() => {
          return {
            iteration,
            epoch,
            batch: made,
            loss,
            examples,
            passRandom,
            random: random.state,
            optimizer: stepper.state,
          }
        })
        yield { kind: 'batch', epoch, epochs, iteration, iterations, loss: batchLoss, lr: stepper.lr }
        if (regularizer?.done) break
      }
      await stepper.mustBeFinite(`iteration ${iteration} (epoch ${epoch})`)
      const seconds = (performance.now() - start) / 1000
      const record: EpochEvent = {
        ...{ kind: 'epoch', epoch, epochs, iteration, iterations },
        ...{ loss: loss / examples, lr: stepper.lr, seconds },
      }
      const judged = { ...objectiveOf(options), batchSize, signal }
      if (data.validation) record.validation = await evaluate(model, data.validation, judged)
      yield record
      if (regularizer?.done) return
    }
  } finally {
    stepper.dispose()
    model.train(wasTraining)
  }
}
