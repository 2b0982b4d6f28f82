import { define, inMemory, type ScriptModule, sgd, Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recoveringLrs, type Trial } from '../../lib/run/lr-trial.js'

const RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10] as const
const x = Float32Array.from({ length: 64 }, (_, k) => Math.sin(k))
const targets = { data: x.map((value) => 3 * value), shape: [64, 1] }
const data = { train: inMemory({ data: x, shape: [64, 1] }, targets) }

/** `scale * w * x` for one number w, which is to be 3 / scale: the loss is the steeper, the larger the scale. */
const network = (scale: number): Promise<ScriptModule> =>
  define(`def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(${scale.toFixed(1)} * x, self.weight)`, {
    parameters: { weight: Tensor.from([0], [1, 1], { requiresGrad: true }) },
  })

let model: ScriptModule
let steep: ScriptModule
beforeAll(async () => {
  ;[model, steep] = [await network(1), await network(10)]
})
afterAll(() => {
  model.dispose()
  steep.dispose()
})

async function tried(rates: readonly number[], curvature = 1, whole = model) {
  const trials: Trial[] = []
  // A learning rate of l on this loss is l * curvature on the one without it.
  const make = (lr: number) => sgd({ lr: lr * curvature })
  const found = recoveringLrs({ cut: model, whole }, make, rates, { data, loss: 'mse', batchSize: 16 })
  let next = await found.next()
  for (; !next.done; next = await found.next()) trials.push(next.value)
  const ofCut = trials.filter((trial) => trial.network === 'cut')
  return { best: next.value, trials, rates: ofCut.map(({ lr }) => lr), losses: ofCut.map(({ loss }) => loss) }
}

describe('the learning rate at which a network recovers best', () => {
  it('goes up from the middle while it gets better, and stops where training breaks down', async () => {
    const { best, rates, losses } = await tried(RATES)
    expect(rates).toEqual([1e-1, 1, 10])
    expect(best).toEqual({ sparse: 1, finetune: 1 })
    expect(losses[2]! > losses[1]!).toBe(true)
  })

  it('goes down where the middle is too much, over all that break down', async () => {
    const { best, rates } = await tried(RATES, 1e4)
    expect(rates.slice(0, 2)).toEqual([1e-1, 1])
    expect(rates.at(-1)).toBe(1e-4)
    expect(best).toEqual({ sparse: 1e-4, finetune: 1e-4 })
  })

  it('is smaller where the whole network breaks down, and next above that for what was cut', async () => {
    const { best, trials } = await tried(RATES, 1, steep)
    const ofWhole = trials.filter((trial) => trial.network === 'whole')
    expect(ofWhole.map(({ lr }) => lr)).toEqual([1, 1e-1, 1e-2, 1e-3])
    expect(best).toEqual({ sparse: 1e-2, finetune: 1e-1 })
  })

  it('leaves the networks as they are', async () => {
    await tried([1e-2, 1e-1], 1, steep)
    for (const network of [model, steep]) expect(network.parameters().get('weight')!.item()).toBe(0)
  })

  it('is the smallest where none is any good', async () => {
    expect((await tried([1, 10, 100], 1e8)).best).toEqual({ sparse: 1, finetune: 1 })
  })
})
