import type { ModuleOutput, Tensor } from '../../torch/index.js'
import type { ClassAxis } from '../classes.js'

/** How well outputs fit targets, beside the loss: a mean over what is judged. */
export interface Metric {
  /** Its place in an {@link Evaluation}; its doc comment tells what it is. */
  readonly name: string
  /** Sum over what is judged of a batch, and how much that is; undefined where such outputs and targets can't be judged. */
  judge(
    output: ModuleOutput,
    targets: Tensor,
    classAxis: ClassAxis | undefined,
  ): Promise<[sum: number, of: number] | undefined>
}
