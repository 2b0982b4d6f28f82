import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { list, maybe, number, object, signature } from '../../base/schema/index.js'
import { type OpCall, run, Tensor } from '../../torch/index.js'
import { type KnownLoss, mustBeTensor, mustHaveTargets } from './loss.js'

/** A mean over the elements of an output and targets of one shape. */
interface Elementwise {
  /** Its name as an option. */
  name: string
  options?: Readonly<Record<string, number | readonly number[] | null>>
  mean: (output: Tensor, targets: Tensor) => OpCall
  /** The teacher's output as targets; as it is by default. */
  soft?: (taught: Tensor) => OpCall
}

function elementwise({ name, options = {}, mean, soft }: Elementwise): KnownLoss {
  const of = async (output: Tensor, targets: Tensor): Promise<Tensor> => {
    mustHaveShape(name, output, targets)
    const alike: OpCall = { op: 'aten::to.dtype', args: [targets, output.dtype, false, false, null] }
    const { op, args } = mean(output, targets)
    const [loss] = await run([alike, { op, args: args.map((arg) => (arg === targets ? { result: 0 } : arg)) }], {
      grad: true,
      returns: [1],
    })
    return loss as Tensor
  }
  const loss: KnownLoss = async (output, targets) => of(mustBeTensor(output), mustHaveTargets(name, targets))
  const taught = async (output: Tensor, given: Tensor): Promise<Tensor> => {
    if (soft === undefined) return of(output, given)
    const [targets] = await run([soft(given)], { grad: false })
    return of(output, targets as Tensor)
  }
  return describes(Object.assign(loss, { soft: taught }), { name, ...options })
}

/** Number of at::Reduction. */
const MEAN = 1

/** Squared differences: output and targets of one shape. */
export const mse = (): KnownLoss =>
  elementwise({ name: 'mse', mean: (output, targets) => ({ op: 'aten::mse_loss', args: [output, targets, MEAN] }) })

/** Absolute differences: output and targets of one shape. */
export const l1 = (): KnownLoss =>
  elementwise({ name: 'l1', mean: (output, targets) => ({ op: 'aten::l1_loss', args: [output, targets, MEAN] }) })

/** Options of {@link losses.huber}. */
export interface HuberOptions {
  /** Up to this difference it is squared, beyond it grows linearly; above 0, 1 by default. */
  delta?: number | undefined
}

/** @internal */
export const HUBER = signature('huber', ['options', object<HuberOptions>({ delta: maybe(number({ above: 0 })) })])

/** Squared differences where they are small, absolute ones beyond (Huber, 1964): output and targets of one shape. */
export function huber(options: HuberOptions = {}): KnownLoss {
  HUBER.check(options)
  const { delta = 1 } = options
  const mean = (output: Tensor, targets: Tensor): OpCall => ({
    op: 'aten::huber_loss',
    args: [output, targets, MEAN, delta],
  })
  return elementwise({ name: 'huber', options: { delta }, mean })
}

/** Options of {@link losses.binaryCrossEntropy}. */
export interface BinaryCrossEntropyOptions {
  /** What a positive target counts, above 0, for each of the last dimension; 1 by default. */
  positiveWeight?: readonly number[] | undefined
}

/** @internal */
export const BINARY_CROSS_ENTROPY = signature('binaryCrossEntropy', [
  'options',
  object<BinaryCrossEntropyOptions>({
    positiveWeight: maybe(list(number({ above: 0 }), 'an array of numbers, one for each of the last dimension')),
  }),
])

/** Logits and targets of one shape, the targets 0, 1 or between: several labels at once, or two classes in one number. */
export function binaryCrossEntropy(options: BinaryCrossEntropyOptions = {}): KnownLoss {
  BINARY_CROSS_ENTROPY.check(options)
  const { positiveWeight } = options
  return elementwise({
    name: 'binary-cross-entropy',
    options: { positiveWeight: positiveWeight ? [...positiveWeight] : null },
    mean: (output, targets) => {
      const weight = positiveWeight && Tensor.from(positiveWeight, [positiveWeight.length], likeOf(output))
      const args = [output, targets, null, weight ?? null, MEAN]
      return { op: 'aten::binary_cross_entropy_with_logits', args }
    },
    soft: (taught) => ({ op: 'aten::sigmoid', args: [taught] }),
  })
}

const likeOf = ({ dtype, device }: Tensor) => ({ dtype: dtype as 'float32', device })

/** LibTorch would stretch one to the shape of the other. @throws ERR_INVALID_ARGUMENT, with both shapes */
function mustHaveShape(loss: string, output: Tensor, targets: Tensor): void {
  if (output.shape.join() === targets.shape.join()) return
  const words = `'${loss}' needs targets of the output's shape [${output.shape.join(', ')}], not [${targets.shape.join(', ')}]`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}
