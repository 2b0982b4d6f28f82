import type { Described } from '../../base/describe.js'
import type { ModuleOutput, Tensor } from '../../torch/index.js'
import type { OutputContext } from '../losses/loss.js'

/**
 * How well outputs fit targets, beside the loss. {@link metrics} has those that are known; an object of this form is one of your own.
 *
 * @example
 * ```ts
 * import { evaluate, load, type Metric, Tensor } from 'espalier'
 * import { argmax } from 'espalier/torch'
 * import { data } from './data.js'
 *
 * const zeros: Metric = {
 *   name: 'zeros',
 *   better: 'lower',
 *   judge: (output) => {
 *     const classes = argmax(output as Tensor, 1).data() as BigInt64Array
 *     return [classes.filter((each) => each === 0n).length, classes.length]
 *   },
 * }
 * const { zeros: part } = await evaluate(await load('model.pt'), data.validation, { metrics: [zeros] })
 * console.log(part! >= 0 && part! <= 1) // true
 * ```
 */
export interface Metric extends Described {
  /** Its place in an {@link Evaluation}. */
  readonly name: string
  /** Whether more of it is better, or less. */
  readonly better: 'higher' | 'lower'
  /**
   * Numbers that add up over batches; undefined where such outputs and targets can't be judged. The targets are undefined where the data
   * has none.
   */
  judge(
    output: ModuleOutput,
    targets: Tensor,
    context: OutputContext,
  ): readonly number[] | undefined | Promise<readonly number[] | undefined>
  /** From the sums over all batches; the first by the second where it is left out. */
  result?(sums: readonly number[]): number
}
