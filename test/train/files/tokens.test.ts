import { truncateSync } from 'node:fs'
import { batches, Random, shuffle, tokenFile } from 'espalier'
import { describe, expect, it } from 'vitest'
import { descriptionOf } from '../../../lib/base/describe.js'
import { bytesOf, temporary, unread } from './bytes.js'

const { folder, write } = temporary()
const numbers = (n: number) => Array.from({ length: n }, (_, k) => k)

const rowsOf = async (data: Awaited<ReturnType<typeof tokenFile>>, rows: number[]) => {
  const { inputs, targets } = await data.batch(Int32Array.from(rows))
  expect(targets!.shape).toEqual(inputs[0]!.shape)
  const [from, to] = [inputs[0]!, targets!].map((array) => [...(array.data as BigInt64Array)].map(Number))
  return [from, to]
}

describe('tokenFile', () => {
  it('cuts a text into windows of bytes, whose targets are the bytes one further', async () => {
    const text = await tokenFile(write('a.txt', 'abcdefghijk'), { length: 3 })
    // 11 bytes: the fourth window would need a byte behind 'l'.
    expect(text.size).toBe(3)
    const codes = (letters: string) => [...Buffer.from(letters)]
    expect(await rowsOf(text, [2, 0])).toEqual([codes('ghiabc'), codes('hijbcd')])
  })

  it.each([
    ['uint8', Uint8Array, [0, 127, 255, 3]],
    ['uint16', Uint16Array, [0, 300, 65_535, 3]],
    ['uint32', Uint32Array, [0, 300, 2 ** 32 - 1, 3]],
  ] as const)('reads ids of %s', async (type, Type, ids) => {
    const file = write(`ids.${type}`, bytesOf(Type.from(ids)))
    const data = await tokenFile(file, { length: 3, type })
    expect([data.size, await rowsOf(data, [0])]).toEqual([1, [ids.slice(0, 3), ids.slice(1)]])
  })

  it('refuses more windows than numbers of examples can tell apart', async () => {
    const file = write('huge.bin', '')
    // It takes no space: there is nothing in it.
    truncateSync(file, 2 ** 31 + 1)
    await expect(tokenFile(file, { length: 1 })).rejects.toMatchObject({ code: 'ERR_LIMIT' })
    const data = await tokenFile(file, { length: 1, step: 2 })
    expect([data.size, await rowsOf(data, [2 ** 30 - 1])]).toEqual([2 ** 30, [[0], [0]]])
    await expect(data.batch(Int32Array.of(2 ** 30))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('makes windows that overlap, or lie apart, by the step', async () => {
    const file = write('n.bin', Uint8Array.from(numbers(21)))
    const [close, apart] = [
      await tokenFile(file, { length: 10, step: 1 }),
      await tokenFile(file, { length: 2, step: 9 }),
    ]
    expect([close.size, (await rowsOf(close, [10]))[1]]).toEqual([11, numbers(21).slice(11)])
    expect([apart.size, (await rowsOf(apart, [0, 1, 2]))[0]]).toEqual([3, [0, 1, 9, 10, 18, 19]])
  })

  it('has every token of a file as a target once, but the first and what is left', async () => {
    const data = await tokenFile(write('m.bin', Uint8Array.from(numbers(200))), { length: 7 })
    const seen: number[] = []
    for await (const { targets } of batches(shuffle(data, { seed: 3 }), { batchSize: 5, random: new Random(1) })) {
      seen.push(...[...targets!.data()].map(Number))
    }
    expect(seen.sort((a, b) => a - b)).toEqual(numbers(197).slice(1))
  })

  it('tells what it is of: the content, and how it is cut', async () => {
    const told = async (content: string, options: { length: number }) =>
      JSON.stringify(descriptionOf(await tokenFile(write('t.txt', content), options)))
    const first = await told('abcdef', { length: 2 })
    expect(await told('abcdef', { length: 2 })).toBe(first)
    expect(await told('abcdeg', { length: 2 })).not.toBe(first)
    expect(await told('abcdef', { length: 3 })).not.toBe(first)
  })

  it('refuses a file that is none, or too short', async () => {
    await expect(tokenFile(`${folder}/none`)).rejects.toEqual(unread('ENOENT'))
    await expect(tokenFile(folder)).rejects.toEqual(unread('EISDIR'))
    await expect(tokenFile(write('s.txt', 'abc'), { length: 3 })).rejects.toEqual(
      unread('3 tokens are not one window of 3'),
    )
    await expect(tokenFile(write('o.bin', 'abc'), { length: 1, type: 'uint16' })).rejects.toEqual(unread('3 bytes'))
    const data = await tokenFile(write('c.txt', 'abcdef'), { length: 2 })
    write('c.txt', 'abc')
    await expect(data.batch(Int32Array.of(1))).rejects.toEqual(unread('became shorter'))
  })
})
