import { describe, expect, it } from 'vitest'
import { readNpy, readNpz } from '../../../lib/train/data/files/index.js'
import { bytesOf, dict, npy, temporary, unread, zip } from './bytes.js'

const { folder, write } = temporary()
const six = Float32Array.of(1, 2, 3, 4, 5, 6)

describe('readNpy', () => {
  it.each([
    ['<f4', Float32Array.of(1.5, -2), Float32Array.of(1.5, -2)],
    ['<f8', Float64Array.of(0.1, -2), Float64Array.of(0.1, -2)],
    ['|i1', Int8Array.of(-128, 127), Int8Array.of(-128, 127)],
    ['<i2', Int16Array.of(-300, 5), Int16Array.of(-300, 5)],
    ['<i4', Int32Array.of(-70_000, 5), Int32Array.of(-70_000, 5)],
    ['<i8', BigInt64Array.of(-1n, 2n ** 62n), BigInt64Array.of(-1n, 2n ** 62n)],
    ['|u1', Uint8Array.of(0, 255), Uint8Array.of(0, 255)],
    ['|b1', Uint8Array.of(0, 7), Uint8Array.of(0, 1)],
    ['<u2', Uint16Array.of(1, 65_535), Int32Array.of(1, 65_535)],
    ['<u4', Uint32Array.of(1, 2 ** 32 - 1), BigInt64Array.of(1n, 2n ** 32n - 1n)],
    // 1, and the least number above 0, of binary16.
    ['<f2', Uint16Array.of(0x3c00, 0x0001), Float32Array.of(1, 2 ** -24)],
  ])('gives %s as tensors have it', async (descr, stored, data) => {
    const path = write('typed.npy', npy(dict(`'${descr}'`, '(2,)'), bytesOf(stored)))
    expect(await readNpy(path)).toEqual({ data, shape: [2] })
  })

  it('knows every half: infinities, NaN and negative ones', async () => {
    const halves = Uint16Array.of(0x7c00, 0xfc00, 0x7e00, 0xc000, 0x7bff, 0x03ff)
    const { data } = await readNpy(write('half.npy', npy(dict("'<f2'", '(6,)'), bytesOf(halves))))
    expect([...data]).toEqual([Infinity, -Infinity, Number.NaN, -2, 65_504, 1023 * 2 ** -24])
  })

  it.each([1, 2, 3])('reads version %i', async (version) => {
    const path = write('version.npy', npy(dict("'<f4'", '(2, 3)'), bytesOf(six), version))
    expect(await readNpy(path)).toEqual({ data: six, shape: [2, 3] })
  })

  it('puts Fortran order into row-major order', async () => {
    const path = write('fortran.npy', npy(dict("'<f4'", '(2, 3)', 'True'), bytesOf(six)))
    expect((await readNpy(path)).data).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6))
    const cube = Int8Array.from({ length: 24 }, (_, i) => i)
    const { data } = await readNpy(write('cube.npy', npy(dict("'|i1'", '(2, 3, 4)', 'True'), bytesOf(cube))))
    const at = (i: number, j: number, k: number) => data[(i * 3 + j) * 4 + k]
    for (const [i, j, k] of [[1, 0, 0] as const, [0, 2, 1] as const, [1, 2, 3] as const]) {
      expect(at(i, j, k)).toBe(i + 2 * j + 6 * k)
    }
  })

  it('reads a number, and an array of nothing', async () => {
    expect(await readNpy(write('one.npy', npy(dict("'<f4'", '()'), bytesOf(Float32Array.of(7)))))).toEqual({
      ...{ data: Float32Array.of(7), shape: [] },
    })
    expect((await readNpy(write('none.npy', npy(dict("'<f4'", '(0, 3)'), Buffer.of())))).shape).toEqual([0, 3])
  })

  it('takes headers of Python 2, with other spaces, in another order', async () => {
    const header = `{"shape":(2L,3L),"descr":"<f4","fortran_order":False}`
    expect((await readNpy(write('old.npy', npy(header, bytesOf(six))))).shape).toEqual([2, 3])
  })

  it.each([
    ['no file', undefined, 'ENOENT'],
    ['nothing', Buffer.of(), 'no .npy file'],
    ['another format', Buffer.from('PK\x03\x04 and so on'), 'no .npy file'],
    ['only the magic', Buffer.from([0x93, ...Buffer.from('NUMPY'), 1]), 'truncated'],
    ['another version', npy(dict("'<f4'", '(6,)'), bytesOf(six), 9), 'version 9'],
    ['a truncated header', npy(dict("'<f4'", '(6,)'), Buffer.of()).subarray(0, 40), 'header is truncated'],
    ['a header too long', npy(dict("'<f4'", `(6,)${' '.repeat(70_000)}`), bytesOf(six), 2), 'longer than 65536'],
    ['a header of a program', npy("__import__('os').system('true')", bytesOf(six)), 'no dict'],
    ['a header without a shape', npy("{'descr': '<f4', 'fortran_order': False}", bytesOf(six)), 'no dict'],
    ['too few elements', npy(dict("'<f4'", '(7,)'), bytesOf(six)), 'takes 28 bytes, and it has 24'],
    ['bytes left over', npy(dict("'<f4'", '(5,)'), bytesOf(six)), 'takes 20 bytes, and it has 24'],
    ['a huge shape', npy(dict("'<f4'", '(4000000000, 1000)'), bytesOf(six)), 'takes 16000000000000 bytes'],
    ['a shape that overflows', npy(dict("'<f4'", '(4294967296, 4294967296)'), bytesOf(six)), 'overflows'],
    ['an overflow behind a 0', npy(dict("'<f4'", '(0, 4294967296, 4294967296)'), Buffer.of()), 'overflows'],
    ['a negative size', npy(dict("'<f4'", '(-6,)'), bytesOf(six)), 'no list of sizes'],
    ['a size with a fraction', npy(dict("'<f4'", '(1.5, 4)'), bytesOf(six)), 'no list of sizes'],
    ['65 dimensions', npy(dict("'<f4'", `(${'1,'.repeat(65)})`), bytesOf(six)), '65 dimensions'],
    ['objects', npy(dict("'|O'", '(1,)'), Buffer.from('cos\nsystem\n')), 'Python objects'],
    ['a structure', npy(dict("[('a', '<f4')]", '(6,)'), bytesOf(six)), 'named fields'],
    ['big-endian numbers', npy(dict("'>f4'", '(6,)'), bytesOf(six)), 'dtype >f4 is none that tensors have'],
    ['complex numbers', npy(dict("'<c8'", '(3,)'), bytesOf(six)), '<c8'],
    ['texts', npy(dict("'<U6'", '(1,)'), bytesOf(six)), '<U6'],
  ])('refuses %s', async (_, bytes, words) => {
    const path = bytes === undefined ? `${folder}/missing.npy` : write('bad.npy', bytes)
    await expect(readNpy(path)).rejects.toEqual(unread(words))
  })

  it('refuses a folder', async () => {
    await expect(readNpy(folder)).rejects.toEqual(unread('EISDIR'))
  })
})

describe('readNpz', () => {
  const array = npy(dict("'<f4'", '(2, 3)'), bytesOf(six))
  const other = npy(dict("'<i8'", '(1,)'), bytesOf(BigInt64Array.of(5n)))

  it('gives the arrays by their names, and leaves out the rest', async () => {
    const entries = [
      { name: 'images.npy', content: array },
      { name: '__proto__.npy', content: other },
      { name: 'read.me', content: Buffer.from('hello') },
    ]
    const arrays = await readNpz(write('two.npz', zip(entries)))
    expect(Object.entries(arrays)).toEqual([
      ['images', { data: six, shape: [2, 3] }],
      ['__proto__', { data: BigInt64Array.of(5n), shape: [1] }],
    ])
  })

  const zeros = npy(dict("'|u1'", '(1000000,)'), Buffer.alloc(1_000_000))
  it('unpacks no more than maxBytes, of all arrays together', async () => {
    const path = write('zeros.npz', zip(['a.npy', 'b.npy'].map((name) => ({ name, content: zeros }))))
    expect((await readNpz(path)).a!.shape).toEqual([1_000_000])
    const limit = expect.objectContaining({ code: 'ERR_LIMIT', hint: expect.stringContaining('maxBytes') })
    await expect(readNpz(path, { maxBytes: 1_500_000 })).rejects.toEqual(limit)
  })

  it.each([
    ['nothing', Buffer.of(), /./],
    ['an archive without its end', zip([{ name: 'a.npy', content: array }]).subarray(0, -10), /./],
    ['a name twice', zip([1, 2].map(() => ({ name: 'a.npy', content: array }))), "'a' twice"],
    ['a wrong checksum', zip([{ name: 'a.npy', content: array, claims: { crc: 1 } }]), 'checksum'],
    ['a size that it cannot have', zip([{ name: 'a.npy', content: array, claims: { size: 2 ** 31 } }]), "can't be of"],
    ['more bytes than it tells', zip([{ name: 'a.npy', content: zeros, claims: { size: 1000 } }]), /size|bytes/],
    ['fewer bytes than it tells', zip([{ name: 'a.npy', content: array, claims: { size: 1000 } }]), /size|bytes/],
    ['encrypted entries', zip([{ name: 'a.npy', content: array, claims: { flags: 1 } }]), /encrypted/],
    ['an array cut short', zip([{ name: 'a.npy', content: array.subarray(0, -1) }]), 'takes 24 bytes, and it has 23'],
    ['what is no array', zip([{ name: 'a.npy', content: Buffer.from('hello') }]), 'no .npy file'],
  ])('refuses %s', async (_, bytes, words) => {
    await expect(readNpz(write('bad.npz', bytes))).rejects.toEqual(unread(words))
  })

  it('refuses a folder, and what is not there', async () => {
    await expect(readNpz(folder)).rejects.toEqual(unread('EISDIR'))
    await expect(readNpz(`${folder}/missing.npz`)).rejects.toEqual(unread('ENOENT'))
  })
})
