import { type Entries, either, maybe, number, object, oneOf, signature, thing } from '../base/schema/index.js'
import { RUN_ENTRIES, type RunOptions } from './abort.js'
import { call, type OpCall, run } from './operators.js'
import { TENSOR, type Tensor } from './tensor.js'

/** How the losses of the elements become one: their mean, their sum, or a tensor of all. */
export type Reduction = 'mean' | 'sum' | 'none'

/** Numbers of at::Reduction. */
const REDUCTIONS: Record<Reduction, number> = { none: 0, mean: 1, sum: 2 }

/** Options of a loss. */
export interface LossOptions extends Pick<RunOptions, 'signal' | 'flushDenormals'> {
  /** Whether autograd records what is done. Default true. */
  grad?: boolean | undefined
  /** Default `mean`. */
  reduction?: Reduction | undefined
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends LossOptions {
  /** Share of the target that is spread over all classes, 0 to 1. Default 0. */
  labelSmoothing?: number | undefined
}

const LOSS_ENTRIES: Entries<LossOptions> = { ...RUN_ENTRIES, reduction: maybe(oneOf('mean', 'sum', 'none')) }
const CROSS_ENTROPY_OPTIONS = object<CrossEntropyOptions>({
  ...LOSS_ENTRIES,
  labelSmoothing: maybe(number({ min: 0, max: 1 })),
})
const [CLASS_PARAMETERS, VALUE_PARAMETERS] = [
  [
    ['logits', TENSOR],
    ['target', TENSOR],
    ['options', CROSS_ENTROPY_OPTIONS],
  ],
  [
    ['input', TENSOR],
    ['target', TENSOR],
    ['options', object<LossOptions>(LOSS_ENTRIES)],
  ],
] as const

/** @internal */
export const CROSS_ENTROPY = signature('crossEntropy', ...CLASS_PARAMETERS)
/** @internal */
export const CROSS_ENTROPY_SYNC = signature('crossEntropySync', ...CLASS_PARAMETERS)
/** @internal */
export const MSE_LOSS = signature('mseLoss', ...VALUE_PARAMETERS)
/** @internal */
export const MSE_LOSS_SYNC = signature('mseLossSync', ...VALUE_PARAMETERS)

const DIM = number({ integer: true })
/** @internal */
export const ARGMAX = signature(
  'argmax',
  ['input', TENSOR],
  [
    'dim',
    either(
      'an integer or null',
      DIM,
      thing<null>('null', (value) => value === null),
    ),
  ],
)
/** @internal */
export const SOFTMAX = signature('softmax', ['input', TENSOR], ['dim', DIM])

/**
 * Cross entropy of logits [N, C, ...] with class indices [N, ...] (int64) or probabilities of the logits' shape; in nats. A class
 * index of -100 is left out. Autograd follows it unless `grad: false`.
 *
 * @returns a scalar, the mean of the losses by default; with `reduction: 'none'` one loss for each target
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH (shapes that don't fit, a target that is no class),
 *   ERR_ABORTED
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { crossEntropy } from 'espalier/torch'
 *
 * const logits = Tensor.zeros([2, 3])
 * const loss = await crossEntropy(logits, Tensor.from([0n, 2n], [2]))
 * console.log(loss.item().toFixed(4), Math.log(3).toFixed(4)) // 1.0986 1.0986
 * ```
 */
export async function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Promise<Tensor> {
  CROSS_ENTROPY.check(logits, target, options)
  return later(crossEntropyCall(logits, target, options), options)
}

/**
 * As {@link crossEntropy}, on the JavaScript thread.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH (shapes that don't fit)
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { crossEntropySync } from 'espalier/torch'
 *
 * const losses = crossEntropySync(Tensor.zeros([2, 3]), Tensor.from([0n, 2n], [2]), { reduction: 'none' })
 * console.log(losses.shape) // [ 2 ]
 * ```
 */
export function crossEntropySync(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  CROSS_ENTROPY_SYNC.check(logits, target, options)
  return now(crossEntropyCall(logits, target, options), options)
}

/**
 * Squared difference of two tensors of the same shape. Autograd follows it unless `grad: false`.
 *
 * @returns a scalar, the mean over all elements by default
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH (shapes that don't fit), ERR_ABORTED
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { mseLoss } from 'espalier/torch'
 *
 * console.log((await mseLoss(Tensor.from([1, 2], [2]), Tensor.from([1, 5], [2]))).item()) // 4.5
 * ```
 */
export async function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Promise<Tensor> {
  MSE_LOSS.check(input, target, options)
  return later(mseCall(input, target, options), options)
}

/**
 * As {@link mseLoss}, on the JavaScript thread.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH (shapes that don't fit)
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { mseLossSync } from 'espalier/torch'
 *
 * console.log(mseLossSync(Tensor.from([1, 2], [2]), Tensor.from([1, 5], [2]), { reduction: 'sum' }).item()) // 9
 * ```
 */
export function mseLossSync(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  MSE_LOSS_SYNC.check(input, target, options)
  return now(mseCall(input, target, options), options)
}

/**
 * Index (int64) of the largest element along a dimension, which goes away; of all elements for null.
 *
 * @param dim a dimension, from the end where it is negative; null by default
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH for a dimension that is not there
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { argmax } from 'espalier/torch'
 *
 * const logits = Tensor.from([1, 3, 2, 9, 8, 7], [2, 3])
 * console.log(argmax(logits, 1).data(), argmax(logits).item()) // BigInt64Array(2) [ 1n, 0n ] 3
 * ```
 */
export function argmax(input: Tensor, dim: number | null = null): Tensor {
  ARGMAX.check(input, dim)
  return call('aten::argmax', [input, dim]) as Tensor
}

/**
 * Softmax along a dimension: numbers from 0 to 1 that add up to 1.
 *
 * @param dim a dimension, from the end where it is negative
 * @throws EspalierError ERR_INVALID_ARGUMENT, ERR_DISPOSED, ERR_TORCH for a dimension that is not there
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { softmax } from 'espalier/torch'
 *
 * console.log(softmax(Tensor.zeros([1, 4]), 1).data()) // Float32Array(4) [ 0.25, 0.25, 0.25, 0.25 ]
 * ```
 */
export function softmax(input: Tensor, dim: number): Tensor {
  SOFTMAX.check(input, dim)
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
  const { grad = true, signal, flushDenormals } = options
  const [result] = await run([one], { grad, signal, flushDenormals })
  return result as Tensor
}

function now({ op, args }: OpCall, options: LossOptions): Tensor {
  return call(op, args as Parameters<typeof call>[1], { noGrad: options.grad === false }) as Tensor
}
