import { describe, expect, it } from 'vitest'
import { scope, type Tensor } from '../../lib/torch/index.js'
import {
  type Batch,
  type BatchOptions,
  batches,
  type Dataset,
  inMemory,
  Random,
  randomShift,
} from '../../lib/train/index.js'

const x = { data: Float32Array.of(0, 1, 10, 11, 20, 21, 30, 31, 40, 41), shape: [5, 2] }
const y = { data: BigInt64Array.of(0n, 1n, 2n, 3n, 4n), shape: [5] }
const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })

async function collect(dataset: Dataset, options?: BatchOptions) {
  const seen: { x: number[]; y: number[]; shape: readonly number[] }[] = []
  for await (const { inputs, targets } of batches(dataset, options)) {
    const [input] = inputs as [Tensor]
    seen.push({
      x: Array.from(input.data() as Float32Array),
      y: Array.from(targets!.data() as BigInt64Array, Number),
      shape: input.shape,
    })
  }
  return seen
}

describe('batches', () => {
  it('come in order without a generator, the last one smaller', async () => {
    expect(await collect(inMemory(x, y), { batchSize: 2 })).toEqual([
      { x: [0, 1, 10, 11], y: [0, 1], shape: [2, 2] },
      { x: [20, 21, 30, 31], y: [2, 3], shape: [2, 2] },
      { x: [40, 41], y: [4], shape: [1, 2] },
    ])
    expect(await collect(inMemory(x, y), { batchSize: 2, dropLast: true })).toHaveLength(2)
  })

  it('hold the chosen examples only, in the order given', async () => {
    expect(await collect(inMemory(x, y, [4, 1]))).toEqual([{ x: [40, 41, 10, 11], y: [4, 1], shape: [2, 2] }])
  })

  it('are shuffled by seed: every example once, inputs beside their targets', async () => {
    const drawn = async (seed: number) => {
      const all = await collect(inMemory(x, y), { batchSize: 2, random: new Random(seed) })
      return all.flatMap((batch) => batch.y.map((target, i) => [target, batch.x[2 * i]]))
    }
    const orders = await Promise.all([drawn(1), drawn(1), drawn(2), drawn(3)])
    expect(orders[0]).toEqual(orders[1])
    expect(new Set(orders.map(String)).size).toBeGreaterThan(1)
    for (const order of orders) {
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4].map((target) => [target, 10 * target]))
    }
  })

  it('are augmented on a copy', async () => {
    const zero = ({ inputs }: Batch) => void inputs[0]!.data.fill(0 as never)
    const seen = await collect(inMemory(x, y), { augment: zero, random: new Random(1) })
    expect(seen[0]!.x.every((value) => value === 0)).toBe(true)
    expect(x.data[1]).toBe(1)
  })

  it('need a generator when they are augmented', async () => {
    await expect(collect(inMemory(x, y), { augment: () => {} })).rejects.toEqual(refused)
  })

  it('are disposed when the next one is asked for', async () => {
    let last: Tensor | undefined
    for await (const { inputs } of batches(inMemory(x, y), { batchSize: 4 })) {
      expect(last?.disposed ?? true).toBe(true)
      last = inputs[0]
      expect(last!.disposed).toBe(false)
    }
    expect(last!.disposed).toBe(true)
  })

  it('are not of the scope in which another one was asked for', async () => {
    const pass = batches(inMemory(x, y), { batchSize: 2 })
    await scope(async () => {
      await pass.next()
      // The next one is made here.
      await new Promise((done) => setTimeout(done, 20))
    })
    const { value } = await pass.next()
    expect(value?.inputs[0]?.disposed).toBe(false)
    await pass.return()
  })

  it('need arrays that fit together, indices that exist and a batch size', async () => {
    expect(() => inMemory({ ...x, shape: [5, 3] }, y)).toThrow(refused)
    expect(() => inMemory({ ...x, shape: [10] }, y)).toThrow(refused)
    expect(() => inMemory(x, y, [5])).toThrow(refused)
    await expect(collect(inMemory(x, y), { batchSize: 0 })).rejects.toEqual(refused)
  })
})

describe('randomShift', () => {
  it('moves each image by at most so many pixels and fills in from outside', () => {
    const [height, width, fill] = [5, 6, -1]
    const image = Float32Array.from({ length: 2 * height * width }, (_, i) => i)
    const at = (array: Float32Array, c: number, row: number, col: number) => array[(c * height + row) * width + col]
    const offsets = new Set<string>()
    const random = new Random(7)
    for (let round = 0; round < 200; round++) {
      const data = image.slice()
      const inputs = [{ data, shape: [1, 2, height, width] }]
      randomShift({ pixels: 1, fill })({ inputs, targets: y }, random)
      const moved = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => [down, right] as const))
      const [down, right] = moved.find(([d, r]) => at(data, 0, 2, 2) === at(image, 0, 2 - d, 2 - r))!
      offsets.add(`${down} ${right}`)
      for (let c = 0; c < 2; c++)
        for (let row = 0; row < height; row++)
          for (let col = 0; col < width; col++) {
            const inside = row - down >= 0 && row - down < height && col - right >= 0 && col - right < width
            expect(at(data, c, row, col)).toBe(inside ? at(image, c, row - down, col - right) : fill)
          }
    }
    expect(offsets.size).toBe(9)
  })

  it.each([
    ['rows of numbers', { data: new Float32Array(8), shape: [2, 4] }],
    ['images without channels', { data: new Float32Array(8), shape: [2, 2, 2] }],
    ['volumes', { data: new Float32Array(16), shape: [1, 2, 2, 2, 2] }],
    ['bigints', { data: new BigInt64Array(8), shape: [1, 2, 2, 2] }],
  ])('refuses %s, which it would spoil', (_, input) => {
    const before = input.data.slice()
    expect(() => randomShift()({ inputs: [input], targets: y }, new Random(7))).toThrow(refused)
    expect(input.data).toEqual(before)
  })
})
