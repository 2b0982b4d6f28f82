import { EspalierError } from '../base/errors.js'
import { count, maybe, object, signal as signalSchema, signature } from '../base/schema/index.js'
import { type ScriptModule, scope } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { CLASS_AXIS, type ClassAxis } from './classes.js'
import { batches } from './data/batches.js'
import { DATASET, type Dataset } from './data/dataset.js'
import { LOSS, type Loss, lossFunction } from './losses/index.js'
import { type Judged, METRICS } from './metrics/index.js'

/**
 * How good a model is on a dataset: the loss, and what each metric judges, by its name.
 *
 * `accuracy`: part of the targets that are the index of the output's largest element along the classes, in 0..1; those of -100
 * don't count. Absent unless the targets are int64, the output is one tensor, and it has their shape but for one dimension, 1 or
 * the last, which is the classes'; where both could be, unless `classAxis` says which.
 */
export interface Evaluation extends Judged {
  /** Mean over the examples. */
  loss: number
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** `'cross-entropy'`, `'mse'` or a function; see {@link Loss}. */
  loss: Loss
  /** 256 by default. */
  batchSize?: number | undefined
  /** The dimension of the classes, 1, or -1 for the last; by default the one that the shapes tell, if they tell one. */
  classAxis?: ClassAxis | undefined
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
      loss: LOSS,
      batchSize: maybe(count()),
      classAxis: maybe(CLASS_AXIS),
      signal: maybe(signalSchema),
    }),
  ],
)

/**
 * Loss and accuracy over a dataset, in eval mode and without gradients. The module's mode is as before afterwards.
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
export async function evaluate(model: ScriptModule, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  EVALUATE.check(model, dataset, options)
  const { signal, batchSize = 256, classAxis } = options
  mustHaveExamples(dataset)
  const lossOf = lossFunction(options.loss, classAxis)
  const { training: wasTraining, device } = model
  model.eval()
  try {
    let loss = 0
    const totals = METRICS.map((metric) => ({ metric, sum: 0, of: 0 }))
    for await (const { inputs, targets, size } of batches(dataset, { batchSize, device, signal })) {
      await scope(async () => {
        const output = await model.forwardWith(inputs, { grad: false, signal })
        loss += (await lossOf(output, targets)).item() * size
        for (const total of totals) {
          const [sum, of] = (await total.metric.judge(output, targets, classAxis)) ?? [0, 0]
          total.sum += sum
          total.of += of
        }
      })
    }
    const judged = totals.filter(({ of }) => of > 0).map(({ metric, sum, of }) => [metric.name, sum / of])
    return { loss: loss / dataset.size, ...(Object.fromEntries(judged) as Judged) }
  } finally {
    model.train(wasTraining)
  }
}

/** @internal @throws ERR_INVALID_ARGUMENT for a dataset without examples, of which there is no mean */
export function mustHaveExamples({ size }: Dataset): void {
  if (size > 0) return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `there is nothing to evaluate on: the dataset has ${size} examples`)
}
