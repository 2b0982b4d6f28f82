import { define, load, prune, type ScriptModule, Tensor } from 'espalier'
import { beforeAll, describe, expect, test } from 'vitest'
import { readZip, writeZip } from '../../scripts/checks/fuzz/zip.mjs'
import { seeded } from '../support/networks.js'
import { failure } from './support.js'

// A file may say where the lines of its program come from. LibTorch reads that when an error is told or a graph recorded.

let file: Buffer
let x: Tensor
beforeAll(async () => {
  const source = `
def forward(self, x: Tensor) -> Tensor:
    return torch.linear(torch.relu(torch.linear(x, self.first)), self.second)`
  const model = await define(source, { parameters: seeded({ first: [6, 3], second: [2, 6] }) })
  file = Buffer.from(await model.toBuffer())
  x = Tensor.full([4, 3], 0.5)
})

/** The file with its debug information changed; checksums are right. */
function changed(change: (data: Buffer) => Buffer, options = {}): Buffer {
  let hits = 0
  const entries = readZip(file).map(({ name, data }) => {
    if (!name.endsWith('.debug_pkl')) return { name, data }
    hits++
    return { name, data: change(data) }
  })
  expect(hits).toBe(1)
  return writeZip(entries, options)
}

/** Whether LibTorch tells the original lines of what failed. */
async function tellsOrigin(model: ScriptModule): Promise<boolean> {
  const { detail } = await failure(() => model.forward(Tensor.zeros([5])))
  return /Traceback of TorchScript, original code/.test(detail ?? '')
}

const text = (value: string) => {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(value.length)
  return Buffer.concat([Buffer.from('X'), size, Buffer.from(value, 'latin1')])
}
const byte = (value: number) => Buffer.of(0x4b, value)
const tuple = (...items: Buffer[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')])
const integers = (...items: Buffer[]) =>
  Buffer.concat([Buffer.from('ctorch.jit._pickle\nbuild_intlist\n(](', 'latin1'), ...items, Buffer.from('etR')])

/** One row for the whole program: it comes from "one\n", which is text 0 of three. */
function debug({ piece = 0, name = 1, start = 0, end = 3, rows = 1, format = 'FORMAT_WITH_STRING_TABLE' } = {}) {
  const range = tuple(tuple(integers(byte(piece)), byte(name), byte(1)), byte(start), byte(end))
  const row = tuple(byte(0), range, byte(0))
  const texts = tuple(text('one\n'), text('a.py'), text(''))
  const whole = tuple(text(format), texts, tuple(...Array.from({ length: rows }, () => row)))
  return Buffer.concat([Buffer.from([0x80, 2]), whole, Buffer.from('.')])
}

test('debug information that is sound is read', async () => {
  expect(await tellsOrigin(await load(file))).toBe(true)
  const model = await load(changed(() => debug()))
  expect((await failure(() => model.forward(Tensor.zeros([5])))).detail).toMatch(/File "a.py", line 1/)
})

describe('debug information that is damaged is left out, and the model works without', () => {
  const pickle = (body: string) => () => Buffer.from(`\x80\x02${body}.`, 'latin1')
  test.each<[string, (data: Buffer) => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['half of it', (data) => data.subarray(0, data.length / 2)],
    ['no pickle', () => Buffer.from('no pickle')],
    ['zeros', (data) => Buffer.alloc(data.length)],
    ['a number', pickle('K\x05')],
    ['a list', pickle(']')],
    ['rows that are none', pickle('(K\x01K\x02t')],
    ['a text that is not in its table', () => debug({ piece: 200 })],
    ['a name that is not in its table', () => debug({ name: 200 })],
    ['a place beyond the text', () => debug({ end: 200 })],
    ['a place that ends before it starts', () => debug({ start: 3, end: 1 })],
    ['another format', () => debug({ format: 'FORMAT' })],
  ])('%s', async (_, change) => {
    for (const bytes of [changed(change), changed(change, { deflate: true })]) {
      const model = await load(bytes)
      expect(await tellsOrigin(model)).toBe(false)
      await model.record([x])
      const { small } = await prune(model, { inputs: [x], ratio: 0.5 })
      for (const each of [model, small]) await load(await each.toBuffer())
    }
  })
  test('a wrong checksum', async () => {
    const bytes = changed((data) => data)
    const at = bytes.indexOf('FORMAT_WITH_STRING_TABLE')
    expect(at).toBeGreaterThan(0)
    bytes[at]! ^= 1
    expect(await tellsOrigin(await load(bytes))).toBe(false)
  })
})
