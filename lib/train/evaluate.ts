import { abortIf } from '../abort.js'
import { type ModuleOutput, run, type ScriptModule, scope, Tensor } from '../torch/index.js'
import { batches, type Dataset } from './dataset.js'
import { type Loss, lossFunction } from './loss.js'

export interface Evaluation {
  /** Mean over the examples. */
  loss: number
  /**
   * Part of the targets that are the index of the output's largest element along dimension 1, in 0..1; absent unless the
   * targets are int64 and the output is one tensor with a class dimension more.
   */
  accuracy?: number
}

export interface EvaluateOptions {
  loss: Loss
  /** 256 by default. */
  batchSize?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Loss and accuracy over a dataset, in eval mode and without gradients. The module's mode is as before afterwards.
 *
 * @throws ERR_ABORTED
 */
export async function evaluate(model: ScriptModule, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  const { signal, batchSize = 256 } = options
  const lossOf = lossFunction(options.loss)
  const { training: wasTraining, device } = model
  model.eval()
  try {
    let loss = 0
    let right = 0
    let judged = 0
    for await (const { inputs, targets, size } of batches(dataset, { batchSize, device })) {
      abortIf(signal)
      await scope(async () => {
        const output = await model.forwardWith(inputs, { grad: false, signal })
        loss += (await lossOf(output, targets)).item() * size
        if (isClassification(output, targets)) {
          right += await countRight(output, targets)
          judged += targets.numel
        }
      })
    }
    return { loss: loss / dataset.size, ...(judged > 0 ? { accuracy: right / judged } : {}) }
  } finally {
    model.train(wasTraining)
  }
}

function isClassification(output: ModuleOutput, targets: Tensor): output is Tensor {
  return output instanceof Tensor && targets.dtype === 'int64' && output.shape.length === targets.shape.length + 1
}

async function countRight(output: Tensor, targets: Tensor): Promise<number> {
  const [sum] = await run(
    [
      { op: 'aten::argmax', args: [output, 1, false] },
      { op: 'aten::eq.Tensor', args: [{ result: 0 }, targets] },
      { op: 'aten::sum', args: [{ result: 1 }] },
    ],
    { returns: [2] },
  )
  return (sum as Tensor).item()
}
