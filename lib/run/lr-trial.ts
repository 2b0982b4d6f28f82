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

/** A learning rate, and the loss of the network that it was tried on at the end. */
export interface Trial {
  lr: number
  loss: number
}

/**
 * The learning rate at which a cut network recovers best: copies of it are trained for 48 steps each, down a cosine, and the losses of the
 * last ones are compared. A range test (Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017) on what the phases of
 * a run have to do: the network that is whole is good as it is, and would have the smallest.
 *
 * @param small as it was cut; it stays as it is
 * @param rates ascending; they are tried from the middle, upwards while it gets better, and downwards as long as it does not get worse
 * @returns the largest of those that are as good as the best
 */
export async function* recoveringLr(
  small: ScriptModule,
  make: (lr: number) => OptimizerFactory,
  rates: readonly number[],
  options: TrialOptions,
): AsyncGenerator<Trial, number, void> {
  const middle = Math.floor(rates.length / 2)
  const losses = new Map<number, number>()
  async function* trial(k: number): AsyncGenerator<Trial, number, void> {
    const lr = rates[k] as number
    const loss = await lossAfter(small, make(lr), options)
    losses.set(k, loss)
    yield { lr, loss }
    return loss
  }
  const first = yield* trial(middle)
  let last = first
  for (let k = middle + 1; k < rates.length; k++) {
    const loss = yield* trial(k)
    if (!(loss < last)) break
    last = loss
  }
  if (last === first) {
    for (let k = middle - 1; k >= 0; k--) {
      const loss = yield* trial(k)
      // Where training breaks down at all of them, it goes on.
      if (loss > (1 + ALIKE) * last) break
      last = loss
    }
  }
  const most = (1 + ALIKE) * Math.min(...losses.values())
  const best = [...losses].flatMap(([k, loss]) => (loss <= most && loss < Number.POSITIVE_INFINITY ? [k] : []))
  return rates[Math.max(0, ...best)] as number
}

/** The mean loss of a trial's last steps; infinite where it breaks down. */
async function lossAfter(small: ScriptModule, optimizer: OptimizerFactory, options: TrialOptions): Promise<number> {
  const { data, signal } = options
  const copy = await small.clone({ signal })
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
