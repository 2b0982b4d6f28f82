import type { ModuleOutput, Tensor } from '../../torch/index.js'
import type { ClassAxis } from '../classes.js'

/** From the model's output and the targets to a scalar tensor with a graph behind it. */
export type LossFunction = (output: ModuleOutput, targets: Tensor) => Tensor | Promise<Tensor>

/** A loss that an option names: of an output of one tensor, the mean over the batch. */
export type NamedLoss = (output: Tensor, targets: Tensor, classAxis: ClassAxis | undefined) => Promise<Tensor>
