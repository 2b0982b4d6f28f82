import { load, measureLatency, optimizeForInference, Tensor } from 'espalier'
import { expect, it } from 'vitest'
import { model } from '../torch/support.js'

const inputs = [Tensor.zeros([1, 3, 32, 32])]

it('is told as it goes on, round by round, those before the measurement too', async () => {
  using network = (await load(model('toy_resnet.trace_train.pt'))).eval()
  const parts: number[] = []
  await measureLatency([network], inputs, { rounds: 3, warmUp: 1, onProgress: (part) => parts.push(part) })
  expect(parts).toEqual([0.25, 0.5, 0.75, 1])
})

it('is told as it goes on when a model is optimized', async () => {
  using network = await load(model('toy_resnet.trace_train.pt'))
  const parts: number[] = []
  const { optimized } = await optimizeForInference(network, {
    inputs,
    rounds: 2,
    onProgress: (part) => parts.push(part),
  })
  optimized.dispose()
  expect([parts.length, parts.at(-1)]).toEqual([12, 1])
})
