import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { list, maybe, number, object, signature } from '../../base/schema/index.js'
import { type ModuleOutput, type OpCall, run, Tensor } from '../../torch/index.js'
import { type ClassAxis, IGNORED, mustBeClasses, mustHaveClasses } from '../classes.js'
import { type KnownLoss, mustBeTensor, mustHaveTargets, type OutputContext, type SoftContext } from './loss.js'

/** Options of {@link losses.crossEntropy}. */
export interface CrossEntropyLossOptions {
  /** Share of each target that is spread over all classes, in 0..1; 0 by default. */
  labelSmoothing?: number | undefined
  /** A weight for each class, 0 or more; the mean is over the weights of the targets. All 1 by default. */
  weight?: readonly number[] | undefined
  /** A target that is left out; -100 by default. */
  ignoreIndex?: number | undefined
}

/** @internal */
export const CROSS_ENTROPY_LOSS = signature('crossEntropy', [
  'options',
  object<CrossEntropyLossOptions>({
    labelSmoothing: maybe(number({ min: 0, max: 1 })),
    weight: maybe(list(number({ min: 0 }), 'an array of numbers, one for each class')),
    ignoreIndex: maybe(number({ integer: true })),
  }),
])

/** Output `[n, classes, ...]` or `[n, ..., classes]`, targets int64 `[n, ...]`, or probabilities of the output's shape. */
export function crossEntropy(options: CrossEntropyLossOptions = {}): KnownLoss {
  CROSS_ENTROPY_LOSS.check(options)
  const { labelSmoothing = 0, weight, ignoreIndex = IGNORED } = options
  const loss = async (whole: ModuleOutput, given: Tensor, { classAxis, labels }: OutputContext): Promise<Tensor> => {
    const output = mustBeTensor(whole)
    const targets = mustHaveTargets('cross-entropy', given)
    const axis = mustHaveClasses(output, targets, classAxis)
    const classes = output.shape.at(axis) as number
    mustFitWeights(weight, classes)
    // On a GPU a wrong label would end all work on the device.
    if (output.device !== 'cpu') mustBeClasses(targets, classes, ignoreIndex, labels)
    try {
      return await meanOf(output, targets, axis, { labelSmoothing, weight, ignoreIndex })
    } catch (error) {
      if (error instanceof EspalierError && error.code === 'ERR_TORCH') mustBeClasses(targets, classes, ignoreIndex)
      throw error
    }
  }
  const description = { name: 'crossEntropy', labelSmoothing, weight: weight ? [...weight] : null, ignoreIndex }
  return describes(Object.assign(loss, { ignoreIndex, soft: divergence }), description)
}

/** The classes along dimension 1, where LibTorch wants them. */
const first = (tensor: Tensor, axis: ClassAxis): OpCall =>
  axis === -1 && tensor.shape.length > 2
    ? { op: 'aten::movedim.int', args: [tensor, -1, 1] }
    : { op: 'aten::alias', args: [tensor] }

async function meanOf(
  output: Tensor,
  targets: Tensor,
  axis: ClassAxis,
  options: { labelSmoothing: number; weight: readonly number[] | undefined; ignoreIndex: number },
): Promise<Tensor> {
  const { labelSmoothing, weight, ignoreIndex } = options
  const weights =
    weight && Tensor.from(weight, [weight.length], { dtype: output.dtype as 'float32', device: output.device })
  const wanted: OpCall = targets.dtype === 'int64' ? { op: 'aten::alias', args: [targets] } : first(targets, axis)
  const args = [{ result: 0 }, { result: 1 }, weights ?? null, 1, ignoreIndex, labelSmoothing] as const
  const [mean] = await run([first(output, axis), wanted, { op: 'aten::cross_entropy_loss', args }], {
    grad: true,
    returns: [2],
  })
  return mean as Tensor
}

/**
 * The Kullback-Leibler divergence of softened distributions, times the square of the temperature, so that gradients keep their size:
 * Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2. A mean over all targets that count.
 */
async function divergence(output: Tensor, taught: Tensor, about: SoftContext): Promise<Tensor> {
  const { temperature, targets, classAxis, ignoreIndex } = about
  const labels = targets?.dtype === 'int64' ? targets : undefined
  const axis = labels === undefined ? axisOf(output, classAxis) : mustHaveClasses(output, labels, classAxis)
  const softened = (tensor: Tensor, at: number): OpCall[] => [
    { op: 'aten::div.Scalar', args: [tensor, temperature] },
    { op: 'aten::log_softmax.int', args: [{ result: at }, axis, null] },
  ]
  const of: OpCall[] = [
    ...softened(output, 0),
    ...softened(taught, 2),
    { op: 'aten::kl_div', args: [{ result: 1 }, { result: 3 }, 0, true] },
    { op: 'aten::sum.dim_IntList', args: [{ result: 4 }, [axis], false, null] },
  ]
  const mean: OpCall[] =
    labels === undefined
      ? [{ op: 'aten::mean', args: [{ result: 5 }, null] }]
      : [
          { op: 'aten::ne.Scalar', args: [labels, ignoreIndex] },
          { op: 'aten::mul.Tensor', args: [{ result: 5 }, { result: 6 }] },
          { op: 'aten::sum', args: [{ result: 7 }, null] },
          { op: 'aten::sum', args: [{ result: 6 }, null] },
          { op: 'aten::clamp', args: [{ result: 9 }, 1, null] },
          { op: 'aten::div.Tensor', args: [{ result: 8 }, { result: 10 }] },
        ]
  const all = [...of, ...mean]
  all.push({ op: 'aten::mul.Scalar', args: [{ result: all.length - 1 }, temperature ** 2] })
  const [scaled] = await run(all, { grad: true, returns: [all.length - 1] })
  return scaled as Tensor
}

/** Where classes are when no targets tell it. */
function axisOf({ shape }: Tensor, given: ClassAxis | undefined): ClassAxis {
  if (given !== undefined) return given
  if (shape.length <= 2) return -1
  const words = `an output [${shape.join(', ')}] without targets doesn't tell where its classes are`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'Say which: classAxis: 1 or classAxis: -1.' })
}

function mustFitWeights(weight: readonly number[] | undefined, classes: number): void {
  if (weight === undefined || weight.length === classes) return
  const words = `crossEntropy has ${weight.length} weights of classes, and the output has ${classes} classes`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}
