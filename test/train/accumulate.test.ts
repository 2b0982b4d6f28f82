import { constantL2, inMemory, type LrSchedule, Random, type ScriptModule, sgd, Tensor, train } from 'espalier'
import { analyse, type TrainOptions } from 'espalier/analysis'
import { describe, expect, it } from 'vitest'
import { network } from '../support/networks.js'

const SOURCE = `
def forward(self, x: Tensor):
    x = torch.relu(torch.addmm(self.a.bias, x, torch.t(self.a.weight)))
    return torch.addmm(self.b.bias, x, torch.t(self.b.weight))
`
const LR = 0.05
const REG = 0.3

async function model(): Promise<ScriptModule> {
  const made = await network(SOURCE, { 'a.weight': [8, 5], 'a.bias': [8], 'b.weight': [3, 8], 'b.bias': [3] })
  for (const parameter of made.parameters().values()) parameter.requiresGrad = true
  return made
}

/** 14 examples: with a batch of 8 the second one has 6, and its parts are not of one size. */
const random = new Random(21)
const values = (count: number) => Float32Array.from({ length: count }, () => random.uniform() * 2 - 1)
const data = { train: inMemory({ data: values(70), shape: [14, 5] }, { data: values(42), shape: [14, 3] }) }

async function trained(over: Partial<TrainOptions>, penalised = true) {
  const net = await model()
  const recording = await net.record([Tensor.zeros([2, 5])])
  const groups = analyse(recording.record)
  const regularizer = penalised
    ? await constantL2({ reg: REG }).attach({ model: net, groups, iterations: 10 })
    : undefined
  const losses: number[] = []
  const options = { data, loss: 'mse', optimizer: sgd({ lr: LR }), epochs: 2, batchSize: 8, seed: 1 } as const
  for await (const record of train(net, { ...options, regularizer, ...over })) {
    if (record.kind === 'batch') losses.push(record.loss)
  }
  const weights = new Map([...net.parameters()].map(([name, tensor]) => [name, tensor.data() as Float32Array]))
  return { weights, losses, updates: regularizer?.state.iteration }
}

function expectSame(got: Awaited<ReturnType<typeof trained>>, wanted: Awaited<ReturnType<typeof trained>>): void {
  expect(got.updates).toBe(wanted.updates)
  got.losses.forEach((loss, k) => {
    expect(loss).toBeCloseTo(wanted.losses[k]!, 5)
  })
  for (const [name, weight] of got.weights) {
    weight.forEach((value, k) => {
      expect(Math.abs(value - wanted.weights.get(name)![k]!), name).toBeLessThan(1e-6)
    })
  }
}

describe('the penalty is added once for each optimizer step', () => {
  it('4 micro-batches equal one batch', async () => {
    const wanted = await trained({})
    expect(wanted.losses).toHaveLength(4)
    expectSame(await trained({ microBatches: 4 }), wanted)
    expectSame(await trained({ microBatches: 3 }), wanted)
  })

  it('a scaled loss gives the same steps', async () => {
    expectSame(await trained({ lossScale: 4096 }), await trained({}))
    expectSame(await trained({ lossScale: 4096, microBatches: 4 }), await trained({}))
  })

  it.each([{}, { lossScale: 64 }, { microBatches: 2 }])('it comes after unscaling and clipping (%o)', async (over) => {
    const before = new Map(
      [...(await model()).parameters()].map(([name, tensor]) => [name, tensor.data() as Float32Array]),
    )
    const once: LrSchedule = ({ iteration }) => (iteration === 0 ? 1 : 0)
    const clipNorm = 0.125
    const { weights } = await trained({ schedule: once, epochs: 1, clipNorm, ...over })
    // What the step moved, without what the penalty moved: a.weight by rows, a.bias, and b.weight by columns.
    let square = 0
    for (const [name, weight] of weights) {
      const old = before.get(name)!
      const reg = name === 'b.bias' ? 0 : REG
      weight.forEach((value, k) => {
        square += ((old[k]! - value) / LR - reg * old[k]!) ** 2
      })
    }
    expect(Math.sqrt(square)).toBeCloseTo(clipNorm, 4)
  })

  it('gradients that are short enough are not touched', async () => {
    expectSame(await trained({ clipNorm: 1e6 }), await trained({}))
  })

  it.each([{ microBatches: 0 }, { microBatches: 1.5 }, { lossScale: 0 }, { lossScale: Number.NaN }, { clipNorm: -1 }])(
    '%o is ERR_INVALID_ARGUMENT',
    async (over) => {
      const [name] = Object.keys(over)
      await expect(trained(over)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(`'${name}'`),
      })
    },
  )
})
