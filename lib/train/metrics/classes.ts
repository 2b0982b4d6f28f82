// Metrics over classes: outputs [n, classes, …] or [n, …, classes], targets int64 [n, …].

import { describes } from '../../base/describe.js'
import { count, signature } from '../../base/schema/index.js'
import { type ModuleOutput, type OpCall, run, Tensor } from '../../torch/index.js'
import { type ClassAxis, classAxisOf } from '../classes.js'
import type { OutputContext } from '../losses/loss.js'
import type { Metric } from './metric.js'

interface Labelled {
  output: Tensor
  targets: Tensor
  axis: ClassAxis
  classes: number
  ignoreIndex: number
}

/** What an output says of classes, where it does; undefined where it can't be judged so. */
function labelled(output: ModuleOutput, targets: Tensor | undefined, context: OutputContext): Labelled | undefined {
  if (!(output instanceof Tensor) || targets?.dtype !== 'int64') return undefined
  const axis = classAxisOf(output, targets, context.classAxis)
  if (axis === undefined || axis === 'either') return undefined
  return { output, targets, axis, classes: output.shape.at(axis) as number, ignoreIndex: context.ignoreIndex }
}

const items = async (calls: readonly OpCall[], returns: readonly number[]): Promise<number[]> =>
  (await run(calls, { returns: [...returns] })).map((tensor) => (tensor as Tensor).item())

/** As the doc comment of `Evaluation` tells. */
export const accuracy: Metric = {
  name: 'accuracy',
  better: 'higher',
  async judge(output, targets, context) {
    const given = labelled(output, targets, context)
    if (given === undefined) return undefined
    const calls: OpCall[] = [
      { op: 'aten::argmax', args: [given.output, given.axis, false] },
      { op: 'aten::eq.Tensor', args: [{ result: 0 }, given.targets] },
      { op: 'aten::sum', args: [{ result: 1 }, null] },
      { op: 'aten::ne.Scalar', args: [given.targets, given.ignoreIndex] },
      { op: 'aten::sum', args: [{ result: 3 }, null] },
    ]
    return items(calls, [2, 4])
  },
}

/** Part of the positions in which the largest element is the same as the teacher's. */
export const agreement: Metric = {
  name: 'agreement',
  better: 'higher',
  async judge(output, targets, context) {
    const { taught } = context
    if (!(output instanceof Tensor) || !(taught instanceof Tensor)) return undefined
    if (output.shape.join() !== taught.shape.join()) return undefined
    const axis =
      labelled(output, targets, context)?.axis ?? context.classAxis ?? (output.shape.length <= 2 ? -1 : undefined)
    if (axis === undefined || (output.shape.at(axis) ?? 1) < 2) return undefined
    const calls: OpCall[] = [
      { op: 'aten::argmax', args: [output, axis, false] },
      { op: 'aten::argmax', args: [taught, axis, false] },
      { op: 'aten::eq.Tensor', args: [{ result: 0 }, { result: 1 }] },
      { op: 'aten::sum', args: [{ result: 2 }, null] },
    ]
    return [...(await items(calls, [3])), output.numel / (output.shape.at(axis) as number)]
  },
}

/** @internal */
export const TOP_K = signature('topK', ['k', count()])

/**
 * Part of the targets that are among the `k` largest elements along the classes; what is as large as the target counts against it.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function topK(k: number): Metric {
  TOP_K.check(k)
  const metric: Metric = {
    name: `top${k}`,
    better: 'higher',
    async judge(output, targets, context) {
      const given = labelled(output, targets, context)
      if (given === undefined) return undefined
      const { axis } = given
      const calls: OpCall[] = [
        { op: 'aten::clamp', args: [given.targets, 0, given.classes - 1] },
        { op: 'aten::unsqueeze', args: [{ result: 0 }, axis] },
        { op: 'aten::gather', args: [given.output, axis, { result: 1 }, false] },
        { op: 'aten::ge.Tensor', args: [given.output, { result: 2 }] },
        { op: 'aten::sum.dim_IntList', args: [{ result: 3 }, [axis], false, null] },
        { op: 'aten::le.Scalar', args: [{ result: 4 }, k] },
        { op: 'aten::ne.Scalar', args: [given.targets, given.ignoreIndex] },
        { op: 'aten::logical_and', args: [{ result: 5 }, { result: 6 }] },
        { op: 'aten::sum', args: [{ result: 7 }, null] },
        { op: 'aten::sum', args: [{ result: 6 }, null] },
      ]
      return items(calls, [8, 9])
    },
  }
  return describes(metric, { name: 'topK', k })
}

/** The exponential of the mean cross entropy of a target, in nats: 1 at best, the number of classes for a blind guess. */
export function perplexity(): Metric {
  const metric: Metric = {
    name: 'perplexity',
    better: 'lower',
    async judge(output, targets, context) {
      const given = labelled(output, targets, context)
      if (given === undefined) return undefined
      const { axis, ignoreIndex } = given
      const move = axis === -1 && given.output.shape.length > 2
      const calls: OpCall[] = [
        move ? { op: 'aten::movedim.int', args: [given.output, -1, 1] } : { op: 'aten::alias', args: [given.output] },
        { op: 'aten::cross_entropy_loss', args: [{ result: 0 }, given.targets, null, 2, ignoreIndex, 0] },
        { op: 'aten::ne.Scalar', args: [given.targets, ignoreIndex] },
        { op: 'aten::sum', args: [{ result: 2 }, null] },
      ]
      return items(calls, [1, 3])
    },
    result: ([sum = 0, of = 1]) => Math.exp(sum / of),
  }
  return describes(metric, { name: 'perplexity' })
}

/** Overlap by union of what is and what is said to be of a class: a mean over the classes that there are. */
export function meanIoU(): Metric {
  const metric: Metric = {
    name: 'meanIoU',
    better: 'higher',
    async judge(output, targets, context) {
      const given = labelled(output, targets, context)
      if (given === undefined) return undefined
      const { axis, classes } = given
      const calls: OpCall[] = [
        { op: 'aten::argmax', args: [given.output, axis, false] },
        { op: 'aten::mul.Scalar', args: [given.targets, classes] },
        { op: 'aten::add.Tensor', args: [{ result: 0 }, { result: 1 }, 1] },
        { op: 'aten::ne.Scalar', args: [given.targets, given.ignoreIndex] },
        { op: 'aten::masked_select', args: [{ result: 2 }, { result: 3 }] },
        { op: 'aten::bincount', args: [{ result: 4 }, null, classes ** 2] },
      ]
      const [confused] = await run(calls, { returns: [5] })
      return Array.from((confused as Tensor).to('cpu').data() as BigInt64Array, Number)
    },
    result: overlapOf,
  }
  return describes(metric, { name: 'meanIoU' })
}

/** From how often each class (rows) was said to be each (columns). */
function overlapOf(confused: readonly number[]): number {
  const classes = Math.sqrt(confused.length)
  const at = (is: number, said: number) => confused[is * classes + said] as number
  const all = Array.from({ length: classes }, (_, k) => k)
  const sum = (of: (each: number) => number) => all.reduce((total, each) => total + of(each), 0)
  const overlaps = all.flatMap((k) => {
    const union = sum((each) => at(k, each)) + sum((each) => at(each, k)) - at(k, k)
    return union === 0 ? [] : [at(k, k) / union]
  })
  return overlaps.reduce((a, b) => a + b, 0) / overlaps.length
}
