import { EspalierError } from '../base/errors.js'
import { count, maybe, object, signal as signalSchema, signature } from '../base/schema/index.js'
import { type ScriptModule, scope } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { batches } from './data/batches.js'
import { DATASET, type Dataset } from './data/dataset.js'
import { OBJECTIVE_ENTRIES, Objective, type ObjectiveOptions } from './objective.js'

/**
 * How good a model is on a dataset: the loss, and what each metric judges, by its name.
 */
export interface Evaluation {
  /** Mean over the examples. */
  loss: number
  /**
   * Part of the targets that are the index of the output's largest element along the classes, in 0..1; those that the loss leaves out
   * (-100) don't count. Absent unless the targets are int64, the output is one tensor, and it has their shape but for one dimension, 1 or
   * the last, which is the classes'; where both could be, unless `classAxis` says which.
   */
  accuracy?: number
  /** Part of the positions in which the largest element is the teacher's, in 0..1; absent without a teacher, or classes. */
  agreement?: number
  /** Those that `metrics` asked for. */
  [metric: string]: number | undefined
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends ObjectiveOptions {
  /** 256 by default. */
  batchSize?: number | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const EVALUATE = signature(
  'evaluate',
  ['model', MODULE],
  ['dataset', DATASET],
  [
    'options',
    object<EvaluateOptions>({
      ...OBJECTIVE_ENTRIES,
      batchSize: maybe(count()),
      signal: maybe(signalSchema),
    }),
  ],
)

/**
 * Loss, accuracy and other metrics over a dataset, in eval mode and without gradients. The module's mode is as before afterwards.
 *
 * @returns the loss as a mean over the examples, `accuracy` in 0..1 where the targets are classes
 * @throws EspalierError ERR_ABORTED; ERR_INVALID_ARGUMENT, also when there are no examples, or targets don't fit
 *   the output; ERR_TORCH when the model
 *   doesn't run on the inputs
 * @example
 * ```ts
 * import { evaluate, load } from 'espalier'
 * import { data } from './data.js'
 *
 * const { loss, accuracy } = await evaluate(await load('model.pt'), data.validation, { loss: 'cross-entropy' })
 * console.log(loss > 0, accuracy! >= 0 && accuracy! <= 1) // true true
 * ```
 */
export async function evaluate(
  model: ScriptModule,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  EVALUATE.check(model, dataset, options)
  const { signal, batchSize = 256 } = options
  mustHaveExamples(dataset)
  const objective = new Objective(options)
  const { training: wasTraining, device } = model
  const inputNames = model.inputNames()
  model.eval()
  try {
    let loss = 0
    const judgement = objective.judgement()
    for await (const batch of batches(dataset, { batchSize, device, signal, inputNames })) {
      await scope(async () => {
        const outcome = await objective.run(model, batch.inputs, { grad: false, signal })
        loss += (await objective.loss(outcome, batch)).item() * batch.size
        await objective.judge(judgement, outcome, batch)
      })
    }
    return { loss: loss / dataset.size, ...judgement.results() }
  } finally {
    objective.dispose()
    model.train(wasTraining)
  }
}

/** @internal @throws ERR_INVALID_ARGUMENT for a dataset without examples, of which there is no mean */
export function mustHaveExamples({ size }: Dataset): void {
  if (size > 0) return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `there is nothing to evaluate on: the dataset has ${size} examples`)
}
