import { setTimeout as sleep } from 'node:timers/promises'
import { type Batch, batches, type Dataset, fromAsyncIterable } from 'espalier'
import { describe, expect, it } from 'vitest'

/** Tells when each batch is asked for and there. */
function slow(size: number, milliseconds: number) {
  const seen: string[] = []
  const data: Dataset = {
    size,
    async batch(indices) {
      seen.push(`asked ${indices[0]}`)
      await sleep(milliseconds)
      if (indices[0] === 3) throw new Error('no more')
      return { inputs: [{ data: Float32Array.from(indices), shape: [indices.length] }] }
    },
  }
  return { data, seen }
}

describe('the next batch', () => {
  it('is made while one is in use, and only one', async () => {
    const { data, seen } = slow(3, 1)
    for await (const { inputs } of batches(data, { batchSize: 1 })) {
      seen.push(`use ${inputs[0]!.data()[0]}`)
      await sleep(30)
      seen.push('used')
    }
    expect(seen).toEqual(['asked 0', 'use 0', 'asked 1', 'used', 'use 1', 'asked 2', 'used', 'use 2', 'used'])
  })

  it('takes no time of its own where the work takes as long', async () => {
    const { data } = slow(3, 100)
    const start = performance.now()
    for await (const _ of batches(data, { batchSize: 1 })) await sleep(100)
    // One after the other it would be 600 ms.
    expect(performance.now() - start).toBeLessThan(530)
  })

  it('that fails fails in its turn; and where it is not wanted, nobody is told', async () => {
    const used: number[] = []
    const read = async (last: number) => {
      for await (const { inputs } of batches(slow(5, 1).data, { batchSize: 1 })) {
        used.push(Number(inputs[0]!.data()[0]))
        await sleep(10)
        if (used.at(-1) === last) return
      }
    }
    await expect(read(9)).rejects.toThrow('no more')
    expect(used).toEqual([0, 1, 2])
    await read(2)
    await sleep(20)
  })

  it.each([
    ['a break', async () => {}],
    ['an error', async () => Promise.reject(new Error('enough'))],
  ])('is not asked for after %s', async (_, work) => {
    const { data, seen } = slow(3, 1)
    const read = async () => {
      for await (const _ of batches(data, { batchSize: 1 })) {
        await work()
        break
      }
    }
    await read().catch(() => undefined)
    await sleep(20)
    expect(seen).toEqual(['asked 0'])
  })

  it('is not asked for after an abort', async () => {
    const { data, seen } = slow(3, 1)
    const controller = new AbortController()
    const pass = batches(data, { batchSize: 1, signal: controller.signal })
    await pass.next()
    controller.abort()
    await expect(pass.next()).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    await sleep(20)
    expect(seen).toEqual(['asked 0'])
  })

  it('is not asked of a stream that was closed, also in the middle of a batch', async () => {
    const calls: string[] = []
    const one = { inputs: [{ data: Float32Array.of(1), shape: [1, 1] }] }
    const iterator: AsyncIterator<Batch> = {
      async next() {
        calls.push('next')
        await sleep(10)
        return { done: false, value: one }
      },
      async return() {
        calls.push('return')
        return { done: true, value: undefined }
      },
    }
    const data = fromAsyncIterable(() => ({ [Symbol.asyncIterator]: () => iterator }), { size: 9 })
    for await (const _ of batches(data, { batchSize: 3 })) {
      // The second batch has begun.
      await sleep(15)
      break
    }
    await sleep(50)
    expect(calls.slice(calls.indexOf('return'))).toEqual(['return'])
  })
})
