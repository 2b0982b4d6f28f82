import { run, Tensor } from '../../torch/index.js'
import { type ClassAxis, classAxisOf, IGNORED } from '../classes.js'
import type { Metric } from './metric.js'

/** As the doc comment of `Evaluation` tells. */
export const accuracy = {
  name: 'accuracy',
  async judge(output, targets, classAxis) {
    if (!(output instanceof Tensor) || targets.dtype !== 'int64') return undefined
    const axis = classAxisOf(output, targets, classAxis)
    return axis === undefined || axis === 'either' ? undefined : countRight(output, targets, axis)
  },
} as const satisfies Metric

/** How many targets are the index of the largest element along the classes, and how many count. */
async function countRight(output: Tensor, targets: Tensor, axis: ClassAxis): Promise<[right: number, of: number]> {
  const [right, ignored] = await run(
    [
      { op: 'aten::argmax', args: [output, axis, false] },
      { op: 'aten::eq.Tensor', args: [{ result: 0 }, targets] },
      { op: 'aten::sum', args: [{ result: 1 }] },
      { op: 'aten::eq.Scalar', args: [targets, Number(IGNORED)] },
      { op: 'aten::sum', args: [{ result: 3 }] },
    ],
    { returns: [2, 4] },
  )
  return [(right as Tensor).item(), targets.numel - (ignored as Tensor).item()]
}
