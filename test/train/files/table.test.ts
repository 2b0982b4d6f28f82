import { readTable, type Table } from 'espalier'
import { describe, expect, it } from 'vitest'
import { temporary, unread } from './bytes.js'

const { folder, write } = temporary()
const refused = (words: string) =>
  expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(words) })
const inputs = ({ inputs }: Table) => ({ data: [...(inputs.data as Float32Array)], shape: inputs.shape })

const FLOWERS = 'length,width,kind\n1.5,2,rose\n-3e1, +.5 ,iris\n'

describe('readTable', () => {
  it('gives numbers as features, and texts as classes in alphabetical order', async () => {
    const table = await readTable(write('flowers.csv', FLOWERS), { target: 'kind' })
    expect(inputs(table)).toEqual({ data: [1.5, 2, -30, 0.5], shape: [2, 2] })
    expect(table.targets).toEqual({ data: BigInt64Array.of(1n, 0n), shape: [2] })
    expect(table.columns).toEqual(['length', 'width'])
    expect(table.classes).toEqual(['iris', 'rose'])
  })

  it('takes numbers of classes as they are', async () => {
    const table = await readTable(write('numbers.csv', 'x,y\n1,2\n2,0\n3,10\n'), { target: 'y' })
    expect(table.targets!.data).toEqual(BigInt64Array.of(2n, 0n, 10n))
    expect(table.classes).toHaveLength(11)
  })

  it('numbers classes that are known, each of which is there once', async () => {
    const path = write('known.csv', 'x,kind\n1,rose\n2,iris\n')
    const { targets } = await readTable(path, { target: 'kind', classes: ['rose', 'lily', 'iris'] })
    expect(targets!.data).toEqual(BigInt64Array.of(0n, 2n))
    const twice = readTable(path, { target: 'kind', classes: ['rose', 'iris', 'rose'] })
    await expect(twice).rejects.toEqual(refused("'rose' is twice in 'classes'"))
  })

  it('gives amounts as values, of several columns too', async () => {
    const path = write('amounts.csv', 'a,b,c\n1,2,3\n4,5,6.5\n')
    const one = await readTable(path, { target: 'b', targets: 'values' })
    expect(one.targets).toEqual({ data: Float32Array.of(2, 5), shape: [2, 1] })
    const two = await readTable(path, { target: ['c', 'a'], targets: 'values' })
    expect(two.targets).toEqual({ data: Float32Array.of(3, 1, 6.5, 4), shape: [2, 2] })
    expect(two.columns).toEqual(['b'])
  })

  it('takes columns by name and by number, in the order given', async () => {
    const path = write('flowers.csv', FLOWERS)
    expect(inputs(await readTable(path, { columns: ['width', 0] }))).toEqual({
      data: [2, 1.5, 0.5, -30],
      shape: [2, 2],
    })
  })

  it('takes the first row for names where it has one that is no number, unless told', async () => {
    const plain = write('plain.csv', '1,2\n3,4\n')
    expect(await readTable(plain)).toMatchObject({ inputs: { shape: [2, 2] }, columns: ['0', '1'] })
    expect(await readTable(plain, { header: true })).toMatchObject({ inputs: { shape: [1, 2] }, columns: ['1', '2'] })
    await expect(readTable(write('flowers.csv', FLOWERS), { header: false })).rejects.toEqual(
      unread("row 1, column 0 could not be read: 'length' is no number"),
    )
  })

  it('knows quotes, tabs, other delimiters, a byte order mark, Windows line ends and empty lines', async () => {
    const quoted = write('quoted.csv', '\ufeff"the ""x""","a,b"\r\n"1","2"\r\n\r\n3,4')
    expect(await readTable(quoted)).toMatchObject({ inputs: { shape: [2, 2] }, columns: ['the "x"', 'a,b'] })
    expect(inputs(await readTable(write('tabs.tsv', 'a\tb\n1\t2\n'))).data).toEqual([1, 2])
    expect(inputs(await readTable(write('semi.csv', 'a;b\n1;2\n'), { delimiter: ';' })).data).toEqual([1, 2])
  })

  it('fills in for missing cells where it is told to', async () => {
    const path = write('missing.csv', 'a,b\n1,\nNA,nan\n')
    expect(inputs(await readTable(path, { missing: -1 })).data).toEqual([1, -1, -1, -1])
    await expect(readTable(path)).rejects.toEqual(unread('row 2, column b could not be read: its cell is empty'))
  })

  it('reads many rows', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `${i},${i / 2},c${i % 3}`)
    const table = await readTable(write('many.csv', `a,b,c\n${rows.join('\n')}`), { target: 'c' })
    expect(table.inputs.shape).toEqual([20_000, 2])
    expect([table.inputs.data[39_998], table.inputs.data[39_999]]).toEqual([19_999, 9999.5])
    expect(table.targets!.data[19_999]).toBe(1n)
  })

  it.each([
    ['nothing', '', {}, 'no rows'],
    ['names only', 'a,b\n', {}, 'no rows'],
    ['rows of different lengths', 'a,b\n1,2\n3\n', {}, 'line 3'],
    ['a quote that is not closed', 'a,b\n1,"2\n', {}, /quote/i],
    ['a text for a number', 'a,b\n1,x\n', {}, "row 2, column b could not be read: 'x' is no number"],
    ['other bases', 'a,b\n1,0x10\n', {}, "'0x10' is no number"],
    ['too large a number', 'a,b\n1,1e999\n', {}, "'1e999' is too large for float32"],
    ['a number that float32 does not hold', 'a,b\n1,-1e39\n', {}, "column b could not be read: '-1e39' is too large"],
    ['amounts for classes', 'a,b\n1,0.5\n2,1\n', { target: 'b' }, '0.5 is no number of a class'],
    ['a huge number for a class', 'a,b\n1,4000000000\n', { target: 'b' }, '4000000000 is no number of a class'],
    ['an empty label', 'a,b\n1,\n2,x\n', { target: 'b' }, 'row 2, column b'],
  ])('refuses %s', async (_, content, options, words) => {
    await expect(readTable(write('bad.csv', content), options)).rejects.toEqual(unread(words))
  })

  it('refuses a column that is not there, is there twice, and several columns of classes', async () => {
    const path = write('twice.csv', 'a,a,b\n1,2,3\n')
    await expect(readTable(path, { target: 'c' })).rejects.toEqual(refused('no column "c"'))
    await expect(readTable(path, { columns: [3] })).rejects.toEqual(refused('no column 3'))
    await expect(readTable(path, { columns: ['a'] })).rejects.toEqual(refused("two columns 'a'"))
    await expect(readTable(path, { target: [0, 1] })).rejects.toEqual(refused('one column'))
    expect((await readTable(path)).inputs.shape).toEqual([1, 3])
  })

  it('refuses a folder, and what is not there', async () => {
    await expect(readTable(folder)).rejects.toEqual(unread('EISDIR'))
    await expect(readTable(`${folder}/none.csv`)).rejects.toEqual(unread('ENOENT'))
  })
})
