import { define, inMemory, type ScriptModule, sgd, Tensor } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recoveringLr, type Trial } from '../../lib/run/lr-trial.js'

const RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10] as const
const x = Float32Array.from({ length: 64 }, (_, k) => Math.sin(k))
const targets = { data: x.map((value) => 3 * value), shape: [64, 1] }
const data = { train: inMemory({ data: x, shape: [64, 1] }, targets) }

let model: ScriptModule
beforeAll(async () => {
  const weight = Tensor.from([0], [1, 1], { requiresGrad: true })
  model = await define('def forward(self, x: Tensor) -> Tensor:\n  return torch.linear(x, self.weight)', {
    parameters: { weight },
  })
})
afterAll(() => model.dispose())

async function tried(rates: readonly number[], curvature = 1) {
  const trials: Trial[] = []
  // A learning rate of l on this loss is l * curvature on the one without it.
  const found = recoveringLr(model, (lr) => sgd({ lr: lr * curvature }), rates, { data, loss: 'mse', batchSize: 16 })
  let next = await found.next()
  for (; !next.done; next = await found.next()) trials.push(next.value)
  return { best: next.value, rates: trials.map(({ lr }) => lr), losses: trials.map(({ loss }) => loss) }
}

describe('the learning rate at which a network recovers best', () => {
  it('goes up from the middle while it gets better, and stops where training breaks down', async () => {
    const { best, rates, losses } = await tried(RATES)
    expect(rates).toEqual([1e-1, 1, 10])
    expect(best).toBe(1)
    expect(losses[2]! > losses[1]!).toBe(true)
  })

  it('goes down where the middle is too much, over all that break down', async () => {
    const { best, rates } = await tried(RATES, 1e4)
    expect(rates.slice(0, 2)).toEqual([1e-1, 1])
    expect(rates.at(-1)).toBe(1e-4)
    expect(best).toBe(1e-4)
  })

  it('leaves the network as it is', async () => {
    await tried([1e-2, 1e-1])
    expect(model.parameters().get('weight')!.item()).toBe(0)
  })

  it('is the smallest where none is any good', async () => {
    expect((await tried([1, 10, 100], 1e8)).best).toBe(1)
  })
})
