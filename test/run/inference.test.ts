import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { define, load, optimizeForInference, prune, type ScriptModule, Tensor, train } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, model } from '../torch/support.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-inference-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const numbers = async (module: ScriptModule, input: Tensor): Promise<number[]> =>
  Array.from(((await module.forward(input)) as Tensor).data(), Number)

describe('optimizeForInference', () => {
  it.each([undefined, true, false])('folds batch norms, with weights channels last: %s', async (channelsLast) => {
    const network = await load(model('toy_resnet.trace_train.pt'))
    const inputs = [Tensor.full([2, 3, 32, 32], 0.3)]
    const result = await optimizeForInference(network, { inputs, channelsLast, rounds: 2 })
    const { optimized, latency, difference } = result
    if (channelsLast !== undefined) expect(result.channelsLast).toBe(channelsLast)
    expect(difference).toBeLessThan(1e-5)
    expect(latency.every(({ min, median }) => min > 0 && median >= min)).toBe(true)
    expect([network.parameters().size > 0, optimized.parameters().size]).toEqual([true, 0])

    const path = join(folder, `fast-${channelsLast}.pt`)
    await optimized.save(path)
    const read = await load(path, { frozen: true })
    const other = Tensor.full([3, 3, 32, 32], -0.2)
    expect(await numbers(read, other)).toEqual(await numbers(optimized, other))
    const [given, wanted] = [await numbers(read, other), await numbers(network.eval(), other)]
    given.forEach((value, k) => {
      expect(value).toBeCloseTo(wanted[k]!, 4)
    })
  })

  it('leaves the model as it is: its mode, its layout and its weights', async () => {
    const network = (await load(model('toy_resnet.trace_train.pt'))).train()
    const before = await network.toBuffer()
    const { optimized } = await optimizeForInference(network, {
      inputs: [Tensor.zeros([1, 3, 32, 32])],
      channelsLast: true,
      rounds: 1,
    })
    expect(network.training).toBe(true)
    expect(Buffer.from(await network.toBuffer()).equals(Buffer.from(before))).toBe(true)
    optimized.dispose()
  })

  it('keeps what a model remembers', async () => {
    const counter = await define(
      `
def forward(self, x):
  self.seen.add_(1)
  return x * self.weight + self.seen`,
      { parameters: { weight: Tensor.full([1], 2) }, buffers: { seen: Tensor.zeros([1]) } },
    )
    const { optimized } = await optimizeForInference(counter, { inputs: [Tensor.zeros([1])], rounds: 1 })
    const [first] = await numbers(optimized, Tensor.zeros([1]))
    const [second] = await numbers(optimized, Tensor.zeros([1]))
    expect([first, second]).toEqual([1, 2])
    expect(await numbers(counter, Tensor.zeros([1]))).toEqual([1])
  })

  it('keeps other methods', async () => {
    const network = await define(
      `
def forward(self, x):
  return x * self.weight

def twice(self, x):
  return self.forward(self.forward(x))`,
      { parameters: { weight: Tensor.full([1], 3) }, buffers: {} },
    )
    const { optimized } = await optimizeForInference(network, { inputs: [Tensor.full([1], 1)], rounds: 1 })
    const twice = (await optimized.callMethod('twice', [Tensor.full([1], 1)])) as Tensor
    expect(Number(twice.item())).toBe(9)
  })

  it('refuses what computes something else', async () => {
    const noise = await define('\ndef forward(self, x):\n  return torch.rand_like(x) * self.weight', {
      parameters: { weight: Tensor.full([1], 2) },
      buffers: {},
    })
    const error = await failure(() => optimizeForInference(noise, { inputs: [Tensor.zeros([64])], rounds: 1 }))
    expect(error).toMatchObject({
      code: 'ERR_VERIFICATION',
      message: expect.stringMatching(/differs from the given one/),
    })
  })

  it('its result is neither pruned nor trained', async () => {
    const network = await load(model('toy_resnet.trace_train.pt'))
    const inputs = [Tensor.zeros([1, 3, 32, 32])]
    const { optimized } = await optimizeForInference(network, { inputs, rounds: 1 })
    expect((await failure(() => prune(optimized, { inputs }))).code).toBe('ERR_FROZEN_MODULE')
    const batch = async () => ({
      inputs: [Tensor.zeros([1, 3, 32, 32])],
      targets: Tensor.zeros([1], { dtype: 'int64' }),
    })
    const data = { train: { size: 1, batch } }
    const error = await failure(async () => {
      for await (const _ of train(optimized, { data, loss: 'cross-entropy', epochs: 1 } as never));
    })
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    const path = join(folder, 'refused.pt')
    await optimized.save(path)
    expect(await failure(() => load(path))).toMatchObject({
      code: 'ERR_FROZEN_MODULE',
      hint: expect.stringContaining('frozen: true'),
    })
  })

  it('does not run on inputs that do not fit, and ends when asked', async () => {
    const network = await load(model('toy_resnet.trace_train.pt'))
    const wrong = await failure(() => optimizeForInference(network, { inputs: [Tensor.zeros([1, 4, 32, 32])] }))
    expect(wrong.code).toBe('ERR_TORCH')
    const signal = AbortSignal.abort()
    const inputs = [Tensor.zeros([1, 3, 32, 32])]
    expect((await failure(() => optimizeForInference(network, { inputs, signal }))).code).toBe('ERR_ABORTED')
  })
})
