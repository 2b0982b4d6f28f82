import { EspalierError } from '../../base/errors.js'
import { either, func, maybe, oneOf, shown, signature } from '../../base/schema/index.js'
import { Tensor } from '../../torch/index.js'
import { CLASS_AXIS, type ClassAxis, IGNORED } from '../classes.js'
import { type CrossEntropyLossOptions, crossEntropy } from './cross-entropy.js'
import { type CtcOptions, ctc } from './ctc.js'
import { type BinaryCrossEntropyOptions, binaryCrossEntropy, type HuberOptions, huber, l1, mse } from './elementwise.js'
import type { KnownLoss, LossFunction, OutputContext } from './loss.js'

export type { KnownLoss, LossFunction, OutputContext, SoftContext } from './loss.js'
export type { BinaryCrossEntropyOptions, CrossEntropyLossOptions, CtcOptions, HuberOptions }

/** Losses by the name of their option. */
export type LossName = 'cross-entropy' | 'binary-cross-entropy' | 'mse' | 'l1' | 'huber' | 'ctc'

const NAMED: Readonly<Record<LossName, KnownLoss>> = {
  'cross-entropy': crossEntropy(),
  'binary-cross-entropy': binaryCrossEntropy(),
  mse: mse(),
  l1: l1(),
  huber: huber(),
  ctc: ctc(),
}

/**
 * Losses with options; without any they are what their names as an option mean. Each is a mean over the batch.
 *
 * @example
 * ```ts
 * import { evaluate, load, losses } from 'espalier'
 * import { data } from './data.js'
 *
 * const loss = losses.crossEntropy({ labelSmoothing: 0.1, ignoreIndex: -1 })
 * const { loss: value } = await evaluate(await load('model.pt'), data.validation, { loss })
 * console.log(value > 0, losses.huber({ delta: 2 }).description) // true { name: 'huber', delta: 2 }
 * ```
 */
export const losses = {
  /** See {@link CrossEntropyLossOptions}. */
  crossEntropy,
  /** See {@link BinaryCrossEntropyOptions}. */
  binaryCrossEntropy,
  /** Squared differences. */
  mse,
  /** Absolute differences. */
  l1,
  /** See {@link HuberOptions}. */
  huber,
  /** See {@link CtcOptions}. */
  ctc,
} as const

/**
 * - `'cross-entropy'`: output `[n, classes, ...]` or `[n, ..., classes]`, targets int64 `[n, ...]`, or probabilities of the shape of
 *   the output; a target of -100 is left out. Where both forms fit, `classAxis` says which it is.
 * - `'binary-cross-entropy'`, of logits, `'mse'`, `'l1'`, `'huber'`: output and targets of one shape.
 * - `'ctc'`: output `[n, times, classes]`, targets int64 `[n, symbols]`, padded with numbers below 0.
 *
 * All are means over the batch; {@link losses} has them with options. A function gets the output, the targets, and what the model
 * and its teacher gave, see {@link LossFunction}.
 */
export type Loss = LossName | LossFunction

const NAMES = Object.keys(NAMED) as LossName[]

/** @internal */
export const LOSS = either(
  `${NAMES.map((name) => `'${name}'`).join(', ')} or a function`,
  oneOf(...NAMES),
  func<LossFunction>(),
)

/** @internal */
export const LOSS_FUNCTION = signature('lossFunction', ['loss', LOSS], ['classAxis', maybe(CLASS_AXIS)])

/**
 * A loss as a function `(output, targets) => Promise<Tensor>`, the mean over the batch.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT; the function, when output and targets don't fit, or a target is no class
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { lossFunction } from 'espalier/analysis'
 *
 * const loss = await lossFunction('mse')(Tensor.from([1, 2], [2]), Tensor.from([1, 5], [2]))
 * console.log(loss.item()) // 4.5
 * ```
 */
export function lossFunction(loss: Loss, classAxis?: ClassAxis): (output: Tensor, targets: Tensor) => Promise<Tensor> {
  LOSS_FUNCTION.check(loss, classAxis)
  const known = knownLoss(loss)
  return (output, targets) => known(output, targets, plainContext(output, classAxis, known.ignoreIndex))
}

/** With nothing beside the output. */
export const plainContext = (
  whole: Tensor,
  classAxis: ClassAxis | undefined,
  ignoreIndex: number = IGNORED,
): OutputContext => ({ inputs: [], whole, teacher: undefined, taught: undefined, classAxis, ignoreIndex })

/** The function of a loss, which gives a tensor of one element or throws. */
export function knownLoss(loss: Loss): KnownLoss {
  if (typeof loss === 'string') return NAMED[loss]
  if ('soft' in loss) return loss as KnownLoss
  const own: KnownLoss = async (output, targets, context) => {
    const value: unknown = await loss(output, targets, context)
    if (value instanceof Tensor && value.numel === 1) return value
    const words = `the loss function must give a Tensor of one element, not ${shown(value)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  const { ignoreIndex } = loss as Partial<KnownLoss>
  return ignoreIndex === undefined ? own : Object.assign(own, { ignoreIndex })
}
