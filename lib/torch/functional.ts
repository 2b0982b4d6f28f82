import type { RunOptions } from './abort.js'
import { call, type OpCall, run } from './operators.js'
import type { Tensor } from './tensor.js'

/** How the losses of the elements become one: their mean, their sum, or a tensor of all. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Numbers of at::Reduction. */
const REDUCTIONS: Record<Reduction, number> = { none: 0, mean: 1, sum: 2 }

export interface LossOptions extends Pick<RunOptions, 'grad' | 'signal' | 'flushDenormals'> {
  /** Default `mean`. */
  reduction?: Reduction | undefined
}

export interface CrossEntropyOptions extends LossOptions {
  /** Share of the target that is spread over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number | undefined
}

/**
 * Cross entropy of logits [N, C, ...] with class indices [N, ...] (int64) or probabilities of the logits' shape.
 *
 * Autograd follows it unless `grad: false`.
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH (shapes that don't fit), ERR_ABORTED
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Promise<Tensor> {
  return later(crossEntropyCall(logits, target, options), options)
}

/** As {@link crossEntropy}, on the JavaScript thread. */
export function crossEntropySync(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  return now(crossEntropyCall(logits, target, options), options)
}

/** Squared difference of two tensors of the same shape. Autograd follows it unless `grad: false`. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Promise<Tensor> {
  return later(mseCall(input, target, options), options)
}

/** As {@link mseLoss}, on the JavaScript thread. */
export function mseLossSync(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  return now(mseCall(input, target, options), options)
}

/** Index (int64) of the largest element along a dimension, which goes away; of all elements for null. */
export function argmax(input: Tensor, dim: number | null = null): Tensor {
  return call('aten::argmax', [input, dim]) as Tensor
}

/** Softmax along a dimension. */
export function softmax(input: Tensor, dim: number): Tensor {
  return call('aten::softmax.int', [input, dim]) as Tensor
}

function crossEntropyCall(logits: Tensor, target: Tensor, options: CrossEntropyOptions): OpCall {
  // -100, the default of PyTorch, is a target to leave out.
  const args = [logits, target, null, reduction(options), -100, options.labelSmoothing ?? 0]
  return { op: 'aten::cross_entropy_loss', args }
}

function mseCall(input: Tensor, target: Tensor, options: LossOptions): OpCall {
  return { op: 'aten::mse_loss', args: [input, target, reduction(options)] }
}

function reduction(options: LossOptions): number {
  return REDUCTIONS[options.reduction ?? 'mean']
}

async function later(one: OpCall, options: LossOptions): Promise<Tensor> {
  const [result] = await run([one], { ...options, grad: options.grad ?? true })
  return result as Tensor
}

function now({ op, args }: OpCall, options: LossOptions): Tensor {
  return call(op, args as Parameters<typeof call>[1], { noGrad: options.grad === false }) as Tensor
}
