import { batches, inMemory, Random, sgd } from 'espalier'
import { describe, expect, it } from 'vitest'
import { wholePhase } from '../../lib/train/phase.js'
import { Stepper } from '../../lib/train/stepper.js'
import { accumulate } from '../../lib/train/strategies/accumulate.js'
import type { Step, StepStrategy } from '../../lib/train/strategies/strategy.js'
import { network } from '../support/networks.js'

const data = {
  train: inMemory({ data: Float32Array.of(1, 2, 3, 4), shape: [4, 1] }, { data: new Float32Array(4), shape: [4, 1] }),
}

/** Steps over the four examples, the first of which is iteration `first`. */
async function steps(strategies: readonly StepStrategy[], seed: number, first: number, count: number): Promise<void> {
  const model = await network('def forward(self, x: Tensor):\n    return x * self.w', { w: [1] })
  for (const parameter of model.parameters().values()) parameter.requiresGrad = true
  const options = wholePhase({ data, loss: 'mse' as const, optimizer: sgd({ lr: 0.01 }), epochs: 1, seed })
  const stepper = new Stepper(model, options, strategies)
  for (let iteration = first; iteration < first + count; iteration++) {
    for await (const batch of batches(data.train, { batchSize: 4 })) await stepper.step(batch, iteration, 'here')
  }
  stepper.dispose()
  model.dispose()
}

describe('a step strategy', () => {
  it('is told the iteration, and draws the same numbers in a run that goes on from the middle', async () => {
    const drawn = async (seed: number, first: number, count: number) => {
      const seen: [hook: string, iteration: number, drawn: number][] = []
      const note = (hook: string, { iteration, random }: Step) => seen.push([hook, iteration, random.next()])
      const strategy: StepStrategy = {
        parts: (batch, step) => {
          note('parts', step)
          return [batch]
        },
        gathered: async (_parameters, step) => void note('gathered', step),
      }
      await steps([strategy], seed, first, count)
      return seen
    }
    const whole = await drawn(7, 1, 3)
    expect(whole.map(([hook, iteration]) => [hook, iteration])).toEqual(
      [1, 2, 3].flatMap((iteration) => [
        ['parts', iteration],
        ['gathered', iteration],
      ]),
    )
    expect(new Set(whole.map(([, , number]) => number)).size).toBe(6)
    expect(await drawn(7, 2, 2)).toEqual(whole.slice(2))
    expect(await drawn(8, 1, 3)).not.toEqual(whole)
    const own = new Random(7)
    expect(whole.map(([, , number]) => number)).not.toContain(own.next())
  })

  it('works on the parts that those before it leave', async () => {
    const sizes: number[] = []
    const watch: StepStrategy = {
      parts: (batch) => {
        sizes.push(batch.size)
        return [batch]
      },
    }
    await steps([accumulate(2), watch], 1, 1, 1)
    expect(sizes).toEqual([2, 2])
    sizes.length = 0
    await steps([watch, accumulate(2)], 1, 1, 1)
    expect(sizes).toEqual([4])
  })
})

describe('a phase', () => {
  it('has the defaults of what it leaves out, as undefined too', () => {
    const optimizer = sgd({ lr: 0.1 })
    const defaults = { batchSize: 64, dropLast: false, microBatches: 1, clipNorm: null, lossScale: 1 }
    expect(wholePhase({ optimizer, epochs: 2 })).toMatchObject({ ...defaults, optimizer, epochs: 2 })
    expect(wholePhase({ optimizer, epochs: 2, batchSize: undefined, clipNorm: 5 })).toMatchObject({
      ...{ ...defaults, clipNorm: 5 },
      ...{ optimizer, epochs: 2 },
    })
  })
})
