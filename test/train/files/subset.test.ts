import { batches, type Dataset, inMemory, Random, split, subset } from 'espalier'
import { describe, expect, it } from 'vitest'
import { descriptionOf } from '../../../lib/base/describe.js'

const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
const numbers = (n: number) => Array.from({ length: n }, (_, i) => i)
const rows = (n: number) => inMemory({ data: Float32Array.from(numbers(n)), shape: [n, 1] })
const all = async (dataset: Dataset) => {
  const { inputs } = await dataset.batch(Int32Array.from(numbers(dataset.size)))
  return [...(inputs[0]!.data as Float32Array)]
}

describe('subset', () => {
  it('has the chosen examples, in their order, also several times', async () => {
    expect(await all(subset(rows(9), [8, 0, 8]))).toEqual([8, 0, 8])
    expect(await all(subset(subset(rows(9), [8, 4, 2]), Int32Array.of(2, 0)))).toEqual([2, 8])
  })

  it('passes on the number that random changes are drawn from', async () => {
    const seen: unknown[] = []
    const own: Dataset = {
      size: 4,
      batch(indices, draw) {
        seen.push([...indices], draw)
        return { inputs: [] }
      },
    }
    await subset(own, [3, 1]).batch(Int32Array.of(0, 1), 77)
    expect(seen).toEqual([[3, 1], 77])
  })

  it('tells what it is of: the data, and which of them', () => {
    const told = (indices: number[], of = rows(4)) => JSON.stringify(descriptionOf(subset(of, indices)))
    expect(told([0, 1])).toBe(told([0, 1]))
    expect(new Set([told([0, 1]), told([1, 0]), told([0, 1], rows(5))]).size).toBe(3)
  })

  it('refuses an example that is not there', () => {
    expect(() => subset(rows(4), [4])).toThrow(refused)
    expect(() => subset(rows(4), [0]).batch(Int32Array.of(1))).toThrow(refused)
  })
})

describe('split', () => {
  it('puts every example into one of two, by seed', async () => {
    const parts = async (seed: number) => {
      const { train, validation } = split(rows(50), { validation: 0.2, seed })
      return [await all(train), await all(validation)] as const
    }
    const [train, validation] = await parts(1)
    expect(validation).toHaveLength(10)
    expect([...train, ...validation].sort((a, b) => a - b)).toEqual(numbers(50))
    expect(await parts(1)).toEqual([train, validation])
    expect(await parts(2)).not.toEqual([train, validation])
  })

  it('takes a tenth for validation where nothing is said', () => {
    expect(split(rows(50)).validation.size).toBe(5)
  })

  it('refuses to leave one of the two empty', () => {
    expect(() => split(rows(4), { validation: 0.1 })).toThrow(refused)
    expect(() => split(rows(4), { validation: 0.9 })).toThrow(refused)
    expect(() => split(rows(0))).toThrow(refused)
  })
})

describe('the number that batches give a dataset', () => {
  const drawn = async (random: Random | undefined, resume?: { batch: number; random: Random['state'] }) => {
    const seen: (number | undefined)[] = []
    const own: Dataset = {
      size: 6,
      batch(indices, draw) {
        seen.push(draw)
        return { inputs: [{ data: new Float32Array(indices.length), shape: [indices.length] }] }
      },
    }
    for await (const _ of batches(own, {
      batchSize: 2,
      random,
      resume,
      augment: random && ((_, r) => void r.next()),
    })) {
      // Only the calls count.
    }
    return seen
  }

  it('is one for a pass, and another for the next', async () => {
    const random = new Random(1)
    const [first, second] = [await drawn(random), await drawn(random)]
    expect(new Set(first).size).toBe(1)
    expect(new Set([...first, ...second]).size).toBe(2)
  })

  it('is the same when a pass goes on', async () => {
    const first = await drawn(new Random(1))
    const later = await drawn(new Random(1), { batch: 1, random: new Random(9).state })
    expect(later).toEqual(first.slice(1))
  })

  it('is none where nothing is shuffled', async () => {
    expect(await drawn(undefined)).toEqual([undefined, undefined, undefined])
  })
})
