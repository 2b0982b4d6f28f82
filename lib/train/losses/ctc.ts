import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { count, maybe, object, signature } from '../../base/schema/index.js'
import { type ModuleOutput, run, type Tensor } from '../../torch/index.js'
import { type KnownLoss, mustBeTensor, mustHaveTargets, type OutputContext } from './loss.js'

/** Options of {@link losses.ctc}. */
export interface CtcOptions {
  /** The class that stands for no symbol; 0 by default. */
  blank?: number | undefined
}

/** @internal */
export const CTC = signature('ctc', ['options', object<CtcOptions>({ blank: maybe(count(0)) })])

/**
 * Connectionist temporal classification (Graves et al., ICML 2006): the symbols of a sequence without their times.
 *
 * Output `[n, times, classes]`, or `[n, classes, times]` with `classAxis: 1`; targets int64 `[n, symbols]`, padded at the end with
 * numbers below 0. All times of the output count. The mean over the batch of the loss of a sequence by its symbol.
 */
export function ctc(options: CtcOptions = {}): KnownLoss {
  CTC.check(options)
  const { blank = 0 } = options
  const loss = async (whole: ModuleOutput, given: Tensor, { classAxis = -1 }: OutputContext): Promise<Tensor> => {
    const output = mustBeTensor(whole)
    const targets = mustHaveTargets('ctc', given)
    const [examples, times] = [output.shape[0], output.shape[classAxis === 1 ? 2 : 1]]
    const fits = output.shape.length === 3 && targets.shape.length === 2 && targets.shape[0] === examples
    if (!fits || targets.dtype !== 'int64') {
      const [o, t] = [output.shape, targets.shape].map((shape) => `[${shape.join(', ')}]`)
      const words = `ctc takes an output [n, times, classes] and int64 targets [n, symbols], not ${o} and ${targets.dtype} ${t}`
      throw new EspalierError('ERR_INVALID_ARGUMENT', words)
    }
    const lengths = lengthsOf(targets)
    const [mean] = await run(
      [
        { op: 'aten::permute', args: [output, classAxis === 1 ? [2, 0, 1] : [1, 0, 2]] },
        { op: 'aten::log_softmax.int', args: [{ result: 0 }, -1, null] },
        { op: 'aten::clamp', args: [targets, 0, null] },
        {
          op: 'aten::ctc_loss.IntList',
          args: [{ result: 1 }, { result: 2 }, Array(examples).fill(times), lengths, blank, 1, false],
        },
      ],
      { grad: true, returns: [3] },
    )
    return mean as Tensor
  }
  return describes(loss, { name: 'ctc', blank })
}

/** How many symbols each sequence has: those before the first number below 0. */
function lengthsOf(targets: Tensor): number[] {
  const [examples, most] = targets.shape as [number, number]
  const symbols = targets.data() as BigInt64Array
  return Array.from({ length: examples }, (_, n) => {
    const end = symbols.subarray(n * most, (n + 1) * most).findIndex((symbol) => symbol < 0n)
    return end < 0 ? most : end
  })
}
