import { setTimeout as sleep } from 'node:timers/promises'
import { keep, scope, Tensor } from 'espalier'
import { call, run } from 'espalier/torch'
import { expect, test } from 'vitest'

const ones = () => Tensor.full([1], 1)

test('a scope disposes of what was made in it and not of what was there before', () => {
  const before = ones()
  let made: Tensor | undefined
  const result = scope(() => {
    made = call('aten::neg', [before]) as Tensor
    return made.item()
  })
  expect(result).toBe(-1)
  expect([before.disposed, made!.disposed]).toEqual([false, true])
})

test('what it returns lives, also inside of arrays, objects, Maps and Sets', () => {
  const { list, map, set, dropped } = scope(() => ({
    list: [ones(), [ones()]] as const,
    map: new Map([['a', ones()]]),
    set: new Set([ones()]),
    dropped: ones().item(),
  }))
  expect(dropped).toBe(1)
  const [set1] = set
  const all = [list[0], list[1][0]!, map.get('a')!, set1!]
  expect(all.map((tensor) => tensor.disposed)).toEqual([false, false, false, false])
})

test('what the inner scope returns belongs to the outer one', () => {
  let inner: Tensor | undefined
  scope(() => {
    inner = scope(() => ones())
    expect(inner.disposed).toBe(false)
  })
  expect(inner!.disposed).toBe(true)
})

test('what is kept lives', () => {
  const kept: Tensor[] = []
  scope(() => {
    scope(() => kept.push(keep(ones())))
  })
  expect(kept[0]!.disposed).toBe(false)
})

test('an error disposes of everything and goes on', async () => {
  const made: Tensor[] = []
  const fail = () => {
    made.push(ones())
    throw new Error('mine')
  }
  expect(() => scope(fail)).toThrow('mine')
  await expect(scope(async () => fail())).rejects.toThrow('mine')
  expect(made.map((tensor) => tensor.disposed)).toEqual([true, true])
})

test('an asynchronous scope holds until its promise does, results of jobs included', async () => {
  let first: Tensor | undefined
  const last = await scope(async () => {
    ;[first] = (await run([{ op: 'aten::neg', args: [ones()] }])) as [Tensor]
    await sleep(5)
    expect(first!.disposed).toBe(false)
    const [second] = (await run([{ op: 'aten::neg', args: [first!] }])) as [Tensor]
    return second!
  })
  expect([first!.disposed, last.disposed, last.item()]).toEqual([true, false, 1])
})

test('scopes at the same time keep apart', async () => {
  const release: (() => void)[] = []
  const wait = () => new Promise<void>((resolve) => release.push(resolve))
  let slow: Tensor | undefined
  const outer = scope(async () => {
    slow = ones()
    await wait()
    expect(slow.disposed).toBe(false)
  })
  const quick = await scope(async () => ones())
  expect([slow!.disposed, quick.disposed]).toEqual([false, false])
  release[0]!()
  await outer
  expect([slow!.disposed, quick.disposed]).toEqual([true, false])
})
