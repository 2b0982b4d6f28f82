import { call, type Tensor } from '../../torch/index.js'
import type { TensorBatch } from '../data/batches.js'
import type { StepStrategy } from './strategy.js'

/** A batch in `count` parts, whose gradients add up to those of the whole. */
export function accumulate(count: number): StepStrategy {
  return count === 1 ? {} : { parts: (batch) => partsOf(batch, count) }
}

/** The examples of a batch in `count` parts, of equal size but for the last; fewer when there are fewer examples. */
function* partsOf(batch: TensorBatch, count: number): Generator<TensorBatch> {
  const length = Math.ceil(batch.size / count)
  for (let start = 0; start < batch.size; start += length) {
    const size = Math.min(length, batch.size - start)
    const part = (tensor: Tensor) => call('aten::narrow', [tensor, 0, start, size]) as Tensor
    const each = (batch.labels?.length ?? 0) / batch.size
    const labels = batch.labels?.subarray(start * each, (start + size) * each)
    yield { inputs: batch.inputs.map(part), targets: batch.targets && part(batch.targets), labels, size }
  }
}
