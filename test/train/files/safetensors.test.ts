import { describe, expect, it } from 'vitest'
import { readSafetensors } from '../../../lib/train/data/files/index.js'
import { bytesOf, safetensors, temporary, unread } from './bytes.js'

const { write } = temporary()
const four = bytesOf(Float32Array.of(1, 2, 3, 4))
const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown) => {
  return { dtype, shape, data_offsets: [begin, end] }
}

describe('readSafetensors', () => {
  it.each([
    ['F64', Float64Array.of(0.1, -2), Float64Array.of(0.1, -2)],
    ['F32', Float32Array.of(1.5, -2), Float32Array.of(1.5, -2)],
    ['F16', Uint16Array.of(0x3c00, 0xc000), Float32Array.of(1, -2)],
    ['BF16', Uint16Array.of(0x3f80, 0xc000), Float32Array.of(1, -2)],
    ['I64', BigInt64Array.of(-1n, 5n), BigInt64Array.of(-1n, 5n)],
    ['I32', Int32Array.of(-1, 5), Int32Array.of(-1, 5)],
    ['I16', Int16Array.of(-1, 5), Int16Array.of(-1, 5)],
    ['I8', Int8Array.of(-1, 5), Int8Array.of(-1, 5)],
    ['U8', Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
    ['BOOL', Uint8Array.of(0, 1), Uint8Array.of(0, 1)],
  ])('gives %s as tensors have it', async (dtype, stored, data) => {
    const bytes = safetensors({ x: entry(dtype, [2, 1], 0, stored.byteLength) }, bytesOf(stored))
    expect(await readSafetensors(write('typed.safetensors', bytes))).toEqual({ x: { data, shape: [2, 1] } })
  })

  it('gives the arrays by their names, wherever the header puts them, also at odd bytes', async () => {
    const header = `{"__metadata__": {"format": "pt"}, "b": ${JSON.stringify(entry('F32', [1], 1, 5))},
      "__proto__": ${JSON.stringify(entry('U8', [1], 0, 1))}, "scalar": ${JSON.stringify(entry('U8', [], 5, 6))},
      "empty": ${JSON.stringify(entry('F32', [0, 2], 5, 5))}}   `
    const data = Buffer.concat([Buffer.of(9), bytesOf(Float32Array.of(0.5)), Buffer.of(8)])
    const arrays = await readSafetensors(write('odd.safetensors', safetensors(header, data)))
    expect(new Map(Object.entries(arrays))).toEqual(
      new Map<string, unknown>([
        ['__proto__', { data: Uint8Array.of(9), shape: [1] }],
        ['b', { data: Float32Array.of(0.5), shape: [1] }],
        ['empty', { data: new Float32Array(0), shape: [0, 2] }],
        ['scalar', { data: Uint8Array.of(8), shape: [] }],
      ]),
    )
  })

  const long = Buffer.alloc(16)
  long.writeBigUInt64LE(2n ** 63n)
  const beyond = Buffer.alloc(16)
  beyond.writeBigUInt64LE(9n)
  it.each([
    ['nothing', Buffer.of(), 'too short'],
    ['a header too long', long, 'longer than'],
    ['a header behind its end', beyond, 'header is of 9 bytes, and the file of 16'],
    ['a header that is no JSON', safetensors('{', four), 'no JSON'],
    ['a header that is no UTF-8', safetensors('{"a": ', Buffer.of()), 'no JSON'],
    ['a header that is a list', safetensors('[]', Buffer.of()), 'no object'],
    ['an entry that is none', safetensors({ a: null }, four), 'dtype undefined'],
    ['another type', safetensors({ a: entry('F8_E4M3', [16], 0, 16) }, four), '"F8_E4M3"'],
    ['a type by the name of a method', safetensors({ a: entry('toString', [4], 0, 16) }, four), '"toString"'],
    ['offsets that are none', safetensors({ a: entry('F32', [4], 0.5, 16.5) }, four), 'data_offsets'],
    ['offsets that do not fit the shape', safetensors({ a: entry('F32', [3], 0, 16) }, four), 'takes 12 bytes'],
    ['offsets behind the end', safetensors({ a: entry('F32', [5], 0, 20) }, four), 'take 20 bytes, and it has 16'],
    ['a negative offset', safetensors({ a: entry('F32', [4], -16, 0) }, four), 'begins at byte -16'],
    ['bytes left over', safetensors({ a: entry('F32', [3], 0, 12) }, four), 'take 12 bytes, and it has 16'],
    ['a hole', safetensors({ a: entry('F32', [3], 4, 16) }, four), 'begins at byte 4'],
    ['two in one place', safetensors({ a: entry('F32', [4], 0, 16), b: entry('F32', [2], 8, 16) }, four), "'b' begins"],
    ['a shape that overflows', safetensors({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 16) }, four), 'overflows'],
    ['a shape that is none', safetensors({ a: entry('F32', 'four', 0, 16) }, four), 'no list of sizes'],
  ])('refuses %s', async (_, bytes, words) => {
    await expect(readSafetensors(write('bad.safetensors', bytes))).rejects.toEqual(unread(words))
  })
})
