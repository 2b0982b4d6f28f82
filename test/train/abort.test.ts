import { type Dataset, evaluate, greg1, load, prune, sgd, sparsify, Tensor, train } from 'espalier'
import { describe, expect, it } from 'vitest'
import { failure, model } from '../torch/support.js'

// A signal also ends the wait for what a user's own function gives, which may be never.

const never = new Promise<never>(() => {})
const x = Tensor.zeros([2, 3, 4, 4])
const phase = { epochs: 1, optimizer: sgd({ lr: 0.1 }), batchSize: 4 }

/** Batches of zeros; of those asked for from `at` on nothing is heard. */
function silent(at: number): Dataset {
  let asked = 0
  return {
    size: 8,
    batch({ length }) {
      if (asked++ >= at) return never
      const inputs = [{ data: new Float32Array(length * 48), shape: [length, 3, 4, 4] }]
      return { inputs, targets: { data: new BigInt64Array(length), shape: [length] } }
    },
  }
}

async function all(records: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of records);
}

describe('a signal ends the wait', () => {
  it.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
    [
      "for the first batch of a training's data",
      async (signal) => {
        const options = { data: { train: silent(0) }, loss: 'cross-entropy', ...phase, signal } as const
        await all(train(await load(model('small.script.pt')), options))
      },
    ],
    [
      'for a later one',
      async (signal) => {
        const options = { data: { train: silent(1) }, loss: 'cross-entropy', ...phase, signal } as const
        await all(train(await load(model('small.script.pt')), options))
      },
    ],
    [
      'for the validation data of a training',
      async (signal) => {
        const data = { train: silent(2), validation: silent(0) }
        await all(train(await load(model('small.script.pt')), { data, loss: 'cross-entropy', ...phase, signal }))
      },
    ],
    [
      'for a batch to evaluate on',
      async (signal) =>
        evaluate(await load(model('small.script.pt')), silent(0), { loss: 'cross-entropy', batchSize: 4, signal }),
    ],
    [
      'for a batch to compensate with',
      async (signal) =>
        sparsify(await load(model('small.script.pt')), {
          ...{ inputs: [x], data: { train: silent(2) }, loss: 'cross-entropy', budget: { params: 0.8 } },
          ...{ regularizer: greg1({ ceiling: 1, updateEvery: 1 }), sparse: phase, compensate: true, signal },
        }),
    ],
    [
      'for the scores of an importance',
      async (signal) =>
        prune(await load(model('small.script.pt')), {
          inputs: [x],
          ratio: 0.5,
          importance: () => never,
          signal,
        }),
    ],
  ])('%s', async (_, start) => {
    const controller = new AbortController()
    const reason = new Error('mine')
    setTimeout(() => controller.abort(reason), 300)
    const { code, cause } = await failure(() => start(controller.signal))
    expect([code, cause]).toEqual(['ERR_ABORTED', reason])
  })

  it('and what the function throws afterwards is nobody’s: the process lives on', async () => {
    let fail: (error: Error) => void = () => {}
    const pending = new Promise<never>((_, reject) => {
      fail = reject
    })
    const controller = new AbortController()
    const importance = () => {
      setTimeout(() => controller.abort())
      return pending
    }
    const network = await load(model('small.script.pt'))
    const options = { inputs: [x], ratio: 0.5, importance, signal: controller.signal }
    expect((await failure(() => prune(network, options))).code).toBe('ERR_ABORTED')
    fail(new Error('too late'))
    await new Promise((resolve) => setTimeout(resolve, 20))
  })

  it('without one, what the function throws is thrown', async () => {
    const network = await load(model('small.script.pt'))
    const mine = new Error('mine')
    const dataset: Dataset = { size: 4, batch: () => Promise.reject(mine) }
    await expect(evaluate(network, dataset, { loss: 'cross-entropy' })).rejects.toBe(mine)
  })
})
