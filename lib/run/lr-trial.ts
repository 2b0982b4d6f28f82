import type { OptimizerFactory } from '../optim/optimizer.js'
import { cosine } from '../optim/schedule.js'
import type { ScriptModule } from '../torch/index.js'
import { type TrainOptions, train } from '../train/index.js'

/** Steps of a trial, and how many of the last ones are looked at. */
const [STEPS, LAST] = [48, 8]
/** Losses that differ by less than this part are alike. */
const ALIKE = 0.02

/** What a trial is made with: a training without its length and its optimizer. */
export type TrialOptions = Omit<TrainOptions, 'optimizer' | 'epochs' | 'schedule' | 'regularizer' | 'resume' | 'onStep'>

/** A learning rate, and the loss of the network that it was tried on at the end: of the cut one, or of the whole. */
export interface Trial {
  lr: number
  loss: number
  network: 'cut' | 'whole'
}

/** What rates are tried on; both stay as they are. */
export interface Tried {
  /** The network as it is planned to be cut. */
  cut: ScriptModule
  /** As it is before the cut. */
  whole: ScriptModule
}

/** The best rates for the two phases of a run. */
export interface BestLrs {
  /** For the phase that begins with the whole network and ends with what is as good as the cut one. */
  sparse: number
  /** For the cut one. */
  finetune: number
}

/**
 * The learning rates at which a cut network recovers best, and at which the whole one does not suffer: copies of them are trained for 48
 * steps each, down a cosine, and the mean losses of the last ones are compared. A range test (Smith, "Cyclical Learning Rates for Training
 * Neural Networks", WACV 2017) on what the phases of a run have to do: the network that is whole is good as it is, and would have the
 * smallest. For `sparse` the sum of both losses counts, for `finetune` that of the cut one; but this rate is at most the next above
 * that of `sparse`, as what is fine-tuned has recovered already.
 *
 * @param rates ascending; they are tried from the middle, upwards while it gets better, and downwards as long as it does not get worse
 * @returns the largest of those that are as good as the best
 */
export async function* recoveringLrs(
  networks: Tried,
  make: (lr: number) => OptimizerFactory,
  rates: readonly number[],
  options: TrialOptions,
): AsyncGenerator<Trial, BestLrs, void> {
  const middle = Math.floor(rates.length / 2)
  const losses = new Map<number, number>()
  async function* trial(k: number, network: keyof Tried = 'cut'): AsyncGenerator<Trial, number, void> {
    const lr = rates[k] as number
    const loss = await lossAfter(networks[network], make(lr), options)
    yield { lr, loss, network }
    return loss
  }
  async function* ofCut(k: number): AsyncGenerator<Trial, number, void> {
    const loss = losses.get(k) ?? (yield* trial(k))
    losses.set(k, loss)
    return loss
  }
  const first = yield* ofCut(middle)
  let last = first
  for (let k = middle + 1; k < rates.length; k++) {
    const loss = yield* ofCut(k)
    if (!(loss < last)) break
    last = loss
  }
  if (last === first) {
    for (let k = middle - 1; k >= 0; k--) {
      const loss = yield* ofCut(k)
      // Where training breaks down at all of them, it goes on.
      if (loss > (1 + ALIKE) * last) break
      last = loss
    }
  }
  const recovering = largestOfTheBest(losses)
  const sums = new Map<number, number>()
  for (let k = recovering; k >= 0; k--) {
    const sum = (yield* ofCut(k)) + (yield* trial(k, 'whole'))
    sums.set(k, sum)
    if (sum > Math.min(...sums.values())) break
  }
  const sparse = largestOfTheBest(sums)
  const finetune = Math.min(recovering, sparse + 1)
  return { sparse: rates[sparse] as number, finetune: rates[finetune] as number }
}

/** Of the rates, by their index, with a loss as small as the smallest. */
function largestOfTheBest(losses: ReadonlyMap<number, number>): number {
  const most = (1 + ALIKE) * Math.min(...losses.values())
  const best = [...losses].flatMap(([k, loss]) => (loss <= most && loss < Number.POSITIVE_INFINITY ? [k] : []))
  return Math.max(0, ...best)
}

/** The mean loss of a trial's last steps; infinite where it breaks down. */
async function lossAfter(network: ScriptModule, optimizer: OptimizerFactory, options: TrialOptions): Promise<number> {
  const { data, signal } = options
  const copy = await network.clone({ signal })
  const losses: number[] = []
  const schedule = cosine()
  const falling: typeof schedule = ({ iteration, ...rest }) => schedule({ ...rest, iteration, iterations: STEPS })
  const phase = { ...options, data: { train: data.train }, optimizer, schedule: falling, epochs: STEPS }
  try {
    for await (const event of train(copy, phase)) {
      if (event.kind === 'batch') losses.push(event.loss)
      if (losses.length === STEPS) break
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_NOT_FINITE') throw error
    return Number.POSITIVE_INFINITY
  } finally {
    copy.dispose()
  }
  return losses.slice(-LAST).reduce((a, b) => a + b, 0) / LAST
}
