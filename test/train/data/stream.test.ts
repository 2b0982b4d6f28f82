import { type Batch, batches, fromAsyncIterable, Random, shuffle, split, subset } from 'espalier'
import { describe, expect, it } from 'vitest'
import { failure } from '../../torch/support.js'

const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })

/** A batch of the numbers `from` to `to - 1`; the target of each is ten times as much. */
const numbers = (from: number, to: number): Batch => {
  const all = Array.from({ length: to - from }, (_, k) => from + k)
  return {
    inputs: [{ data: Float32Array.from(all), shape: [all.length, 1] }],
    targets: { data: BigInt64Array.from(all, (n) => BigInt(10 * n)), shape: [all.length] },
  }
}

/** A source of pieces of these sizes, and what became of it. */
function sourceOf(...sizes: number[]) {
  const seen = { opened: [] as (number | undefined)[], given: 0, closed: 0 }
  async function* open(draw?: number) {
    seen.opened.push(draw)
    let at = 0
    try {
      for (const size of sizes) {
        seen.given += size
        yield numbers(at, at + size)
        at += size
      }
    } finally {
      seen.closed++
    }
  }
  return { open, seen }
}

async function passOf(...args: Parameters<typeof batches>) {
  const rows: number[][] = []
  for await (const { inputs, targets } of batches(...args)) {
    rows.push([...inputs[0]!.data()].map(Number))
    expect([...targets!.data()].map(Number)).toEqual(rows.at(-1)!.map((n) => 10 * n))
  }
  return rows
}

describe('a stream of batches', () => {
  it.each([
    ['one by one', [1, 1, 1, 1, 1, 1, 1]],
    ['at once', [7]],
    ['in other pieces', [2, 3, 2]],
    ['with empty ones among them', [0, 4, 0, 0, 3]],
    ['and more than asked for', [5, 20]],
  ])('that come %s is cut into batches of the size asked for', async (_, sizes) => {
    const { open, seen } = sourceOf(...sizes)
    expect(await passOf(fromAsyncIterable(open, { size: 7 }), { batchSize: 3 })).toEqual([[0, 1, 2], [3, 4, 5], [6]])
    expect(seen.closed).toBe(1)
  })

  it('comes in its order, also to a training, which tells each pass by another number', async () => {
    const { open, seen } = sourceOf(6)
    const random = new Random(1)
    const data = fromAsyncIterable(open, { size: 6 })
    for (let k = 0; k < 2; k++) expect(await passOf(data, { batchSize: 6, random })).toEqual([[0, 1, 2, 3, 4, 5]])
    expect(new Set(seen.opened).size).toBe(2)
  })

  it('goes on in the middle of a pass: what was there is read again, and left out', async () => {
    const { open, seen } = sourceOf(2, 2, 2, 2)
    const data = fromAsyncIterable(open, { size: 8 })
    const first = new Random(5)
    const whole = await passOf(data, { batchSize: 3, random: first })
    const rest = await passOf(data, { batchSize: 3, random: new Random(5), resume: { batch: 1, random: first.state } })
    expect(rest).toEqual(whole.slice(1))
    expect(seen.opened[0]).toBe(seen.opened[1])
  })

  it('is read no further than two batches ahead, and closed where the loop ends early', async () => {
    const { open, seen } = sourceOf(...new Array(1000).fill(1))
    for await (const _ of batches(fromAsyncIterable(open, { size: 1000 }), { batchSize: 4 })) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(seen.given).toBeLessThanOrEqual(8)
      break
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).toMatchObject({ given: 8, closed: 1 })
  })

  it('is copied: its source may fill one array again, and keeps what it gave', async () => {
    const data = Float32Array.of(0, 0)
    async function* open() {
      for (let k = 0; k < 3; k++) {
        data.fill(k)
        yield { inputs: [{ data, shape: [2, 1] }] }
      }
    }
    const read = async (batchSize: number) => {
      const augment = ({ inputs }: Batch) => void inputs[0]!.data.fill(9 as never)
      const rows: number[] = []
      const stream = fromAsyncIterable(open, { size: 6 })
      for await (const { inputs } of batches(stream, { batchSize })) rows.push(...[...inputs[0]!.data()].map(Number))
      for await (const _ of batches(stream, { batchSize, random: new Random(1), augment }))
        expect(data).not.toContain(9)
      return rows
    }
    for (const batchSize of [2, 4]) expect(await read(batchSize)).toEqual([0, 0, 1, 1, 2, 2])
  })

  it('gives examples by their numbers, from the start', async () => {
    const data = fromAsyncIterable(sourceOf(2, 2, 2).open, { size: 6 })
    const { inputs, targets } = await data.batch(Int32Array.of(3, 1))
    expect([inputs[0]!.data, targets!.data]).toEqual([Float32Array.of(3, 1), BigInt64Array.of(30n, 10n)])
    await expect(data.batch(Int32Array.of(6))).rejects.toEqual(refused)
  })

  it('that is too short, or gives what is no batch, is refused', async () => {
    const messageOf = async (open: () => AsyncIterable<unknown>, size = 4) =>
      (await failure(() => passOf(fromAsyncIterable(open as never, { size }), { batchSize: 4 }))).message
    expect(await messageOf(sourceOf(3).open)).toMatch(/ended after 3 examples of 4/)
    expect(await messageOf(() => [] as never)).toMatch(/no async iterable/)
    async function* nothing() {
      yield 5
    }
    expect(await messageOf(nothing)).toMatch(/fromAsyncIterable: /)
    async function* other() {
      yield numbers(0, 2)
      yield { ...numbers(2, 4), inputs: [{ data: new Float32Array(4), shape: [2, 2] }] }
    }
    expect(await messageOf(other)).toMatch(/an example is \[2\], after others of \[1\]/)
    // As many arrays, but not the same.
    async function* swapped() {
      yield numbers(0, 2)
      const { inputs } = numbers(2, 4)
      yield { inputs: [...inputs, ...inputs] }
    }
    expect(await messageOf(swapped)).toMatch(/not all batches have the same inputs and targets/)
    async function* broken() {
      yield numbers(0, 2)
      throw new Error('the line is dead')
    }
    await expect(passOf(fromAsyncIterable(broken, { size: 4 }), { batchSize: 4 })).rejects.toThrow('the line is dead')
  })

  it('tells the names of its inputs: with others a run does not go on', () => {
    const { open } = sourceOf(4)
    const told = (...inputNames: string[]) =>
      JSON.stringify(fromAsyncIterable(open, { size: 4, inputNames }).description)
    expect(told('ids', 'mask')).toBe(told('ids', 'mask'))
    expect(told('ids', 'mask')).not.toBe(told('mask', 'ids'))
    const without = fromAsyncIterable(open, { size: 4 }).description
    expect(Object.keys(without as object)).toEqual(['name', 'size', 'source'])
  })

  it('has no examples to be chosen from', () => {
    const data = fromAsyncIterable(sourceOf(4).open, { size: 4 })
    for (const call of [() => subset(data, [0]), () => split(data), () => shuffle(data)]) expect(call).toThrow(refused)
  })
})
