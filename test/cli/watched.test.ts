import { type Batch, batches, define, evaluate, fromAsyncIterable, inMemory, Tensor } from 'espalier'
import { expect, it } from 'vitest'
import { watched } from '../../lib/cli/watched.js'

const column = (...values: number[]) => ({ data: Float32Array.from(values), shape: [values.length, 1] })
const work = (said: string[] = []) => ({ status: (text: string) => void said.push(text) })

it('gives named inputs to the model by their names', async () => {
  const model = await define('def forward(self, a: Tensor, b: Tensor) -> Tensor:\n  return a - b * self.w', {
    parameters: { w: Tensor.from([1], [1]) },
  })
  // Of a - b the loss is none: the names are in another order than the model's.
  const dataset = inMemory({ b: column(1, 2), a: column(5, 9) }, column(4, 7))
  expect(await evaluate(model, watched(dataset, work(), 'measured'), { loss: 'mse' })).toMatchObject({ loss: 0 })
})

it('opens a stream once for a pass, counts what comes, and closes it', async () => {
  const events: string[] = []
  const open = (): AsyncIterable<Batch> => ({
    async *[Symbol.asyncIterator]() {
      events.push('open')
      try {
        for (let k = 0; k < 6; k++) yield { inputs: [column(k)] }
      } finally {
        events.push('close')
      }
    },
  })
  const said: string[] = []
  const dataset = watched(fromAsyncIterable(open, { size: 6 }), work(said), 'measured')
  const seen: number[] = []
  for await (const { inputs } of batches(dataset, { batchSize: 2 })) seen.push(...(inputs[0]!.data() as Float32Array))
  await new Promise(setImmediate)
  expect([seen, events]).toEqual([
    [0, 1, 2, 3, 4, 5],
    ['open', 'close'],
  ])
  expect(said.at(-1)).toMatch(/^measured: 5 of 6 examples/)
})
