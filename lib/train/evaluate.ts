import { count, maybe, object, signal as signalSchema, signature } from '../base/schema/index.js'
import { type ScriptModule, scope, Tensor } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { CLASS_AXIS, type ClassAxis, classAxisOf, countRight } from './classes.js'
import { batches, DATASET, type Dataset } from './dataset.js'
import { LOSS, type Loss, lossFunction } from './loss.js'

export interface Evaluation {
  /** Mean over the examples. */
  loss: number
  /**
   * Part of the targets that are the index of the output's largest element along the classes, in 0..1; those of -100 don't count.
   * Absent unless the targets are int64, the output is one tensor, and it has their shape but for one dimension, 1 or the last,
   * which is the classes'; where both could be, unless `classAxis` says which.
   */
  accuracy?: number
}

export interface EvaluateOptions {
  loss: Loss
  /** 256 by default. */
  batchSize?: number | undefined
  /** The dimension of the classes, where shapes leave both: 1, or -1 for the last. */
  classAxis?: ClassAxis | undefined
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
 * @throws ERR_ABORTED; ERR_INVALID_ARGUMENT, also when targets don't fit the output
 */
export async function evaluate(model: ScriptModule, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  EVALUATE.check(model, dataset, options)
  const { signal, batchSize = 256, classAxis } = options
  const lossOf = lossFunction(options.loss, classAxis)
  const { training: wasTraining, device } = model
  model.eval()
  try {
    let loss = 0
    let right = 0
    let judged = 0
    for await (const { inputs, targets, size } of batches(dataset, { batchSize, device, signal })) {
      await scope(async () => {
        const output = await model.forwardWith(inputs, { grad: false, signal })
        loss += (await lossOf(output, targets)).item() * size
        if (!(output instanceof Tensor) || targets.dtype !== 'int64') return
        const axis = classAxisOf(output, targets, classAxis)
        if (axis === undefined || axis === 'either') return
        const [hits, of] = await countRight(output, targets, axis)
        right += hits
        judged += of
      })
    }
    return { loss: loss / dataset.size, ...(judged > 0 ? { accuracy: right / judged } : {}) }
  } finally {
    model.train(wasTraining)
  }
}
