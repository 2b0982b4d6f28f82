import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'espalier'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { drive, isFault } from '../../scripts/checks/fuzz/drive.mjs'
import { tasksOf } from '../../scripts/checks/fuzz/fixtures.mjs'
import { chains, deepPrograms, hostilePickles } from '../../scripts/checks/fuzz/hostile.mjs'
import { readZip, writeZip } from '../../scripts/checks/fuzz/zip.mjs'
import { failure, model, smallInput } from './support.js'

const small = () => readFileSync(model('small.script.pt'))

/** The small model with entries of one ending changed, checksums right. */
function changed(ending: string, change: (data: Buffer) => Buffer): Buffer {
  let hits = 0
  const entries = readZip(small()).map(({ name, data }) => {
    if (!name.endsWith(ending)) return { name, data }
    hits++
    return { name, data: change(data) }
  })
  expect(hits).toBeGreaterThan(0)
  return writeZip(entries)
}

const code = async (bytes: Uint8Array, options = {}) => (await failure(() => load(bytes, options))).code

/** Replaces the only place of a text in a file. */
function replaced(data: Buffer, from: Buffer, to: Buffer): Buffer {
  const at = data.indexOf(from)
  expect(at).toBeGreaterThanOrEqual(0)
  return Buffer.concat([data.subarray(0, at), to, data.subarray(at + from.length)])
}

describe('what a file says of its tensors is checked', () => {
  test.each([
    [
      'half of the bytes',
      (data: Buffer) => data.subarray(0, data.length / 2),
      /takes \d+ bytes from the tensor data '0'/,
    ],
    ['no bytes', () => Buffer.alloc(0), /which are only 0/],
  ])('a storage with %s', async (_, change, message) => {
    const error = await failure(() => load(changed('/data/0', change)))
    expect(error.code).toBe('ERR_MODEL_FILE')
    expect(error.message).toMatch(message)
  })
  test('a storage that is missing', async () => {
    const error = await failure(() => load(writeZip(readZip(small()).filter(({ name }) => !name.endsWith('/data/0')))))
    expect(error.message).toMatch(/needs the tensor data '0', which are missing/)
  })
  // The convolution's weight is [4, 3, 3, 3] with strides [27, 9, 3, 1].
  const sizes = Buffer.from('(K\x04K\x03K\x03K\x03t', 'latin1')
  test.each<[string, string, RegExp]>([
    ['larger sizes', '(K\x05K\x03K\x03K\x03t', /reaches out of its storage of 432 bytes/],
    ['negative sizes', '(J\xff\xff\xff\xffK\x03K\x03K\x03t', /impossible sizes/],
    ['fewer sizes than strides', '(K\x04K\x03K\x03t', /impossible sizes/],
    ['sizes that are no numbers', '(NK\x03K\x03K\x03t', /no whole numbers/],
  ])('a tensor with %s', async (_, to, message) => {
    const bytes = changed('/data.pkl', (data) => replaced(data, sizes, Buffer.from(to, 'latin1')))
    const error = await failure(() => load(bytes))
    expect(error.code).toBe('ERR_MODEL_FILE')
    expect(error.message).toMatch(message)
  })
  test('a value of another type than the program declares', async () => {
    const bytes = changed('.py', (data) =>
      Buffer.from(data.toString('latin1').replace('training : bool', 'training : int '), 'latin1'),
    )
    const error = await failure(() => load(bytes))
    expect(error.code).toBe('ERR_MODEL_FILE')
  })
})

test('every hostile pickle is refused', async () => {
  for (const pickle of hostilePickles) {
    expect(await code(changed('/data.pkl', () => pickle()))).toMatch(/^ERR_(MODEL_FILE|LIMIT)$/)
  }
})

test('every deep or broken program is refused, or loads', async () => {
  for (const deepen of deepPrograms) {
    const bytes = changed('.py', (data) => Buffer.from(deepen(data.toString('latin1')), 'latin1'))
    try {
      ;(await load(bytes)).dispose()
    } catch (error) {
      expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(MODEL_FILE|LIMIT)$/) })
    }
  }
})

describe('limits', () => {
  test.each<[string, object, () => Buffer]>([
    ['entries', { entries: 3 }, small],
    ['inflated', { inflated: 1000 }, () => writeZip(readZip(small()), { deflate: true })],
    ['memory', { memory: 100 }, small],
    ['depth', { depth: 1 }, small],
  ])('of %s: ERR_LIMIT names the option', async (name, limits, bytes) => {
    const error = await failure(() => load(bytes(), { limits }))
    expect(error.code).toBe('ERR_LIMIT')
    expect(error.hint).toContain(`limits.${name}`)
  })
  test('that are wide enough let the file load', async () => {
    const limits = { entries: 100, inflated: 100_000, memory: 100_000, depth: 100 }
    expect((await load(writeZip(readZip(small()), { deflate: true }), { limits })).parameters().size).toBe(6)
  })
})

describe('how deep a program may be', () => {
  const program = (deepen: (source: string) => string) =>
    changed('code/__torch__.py', (data) => Buffer.from(deepen(data.toString('latin1')), 'latin1'))
  const nested = (depth: number) =>
    program((source) => source.replace('    _0 = ', `    x9 = ${'['.repeat(depth)}1${']'.repeat(depth)}\n    _0 = `))

  test('is bounded by what the stack holds: a limit above that is refused', async () => {
    const error = await failure(() => load(small(), { limits: { depth: 2001 } }))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(error.message).toContain("'limits.depth' must be an integer from 1 to 2000, not 2001")
  })
  test('up to there it loads, runs and is copied', async () => {
    const model = await load(nested(1900), { limits: { depth: 2000 } })
    const copy = await model.clone()
    copy.forwardSync(smallInput())
    const recording = await copy.record([smallInput()])
    expect(recording.record.ops.length).toBeGreaterThan(3)
  })
  test.each(Object.entries(chains))('counts %s that lean on one another', async (_, deepen) => {
    const { code, hint } = await failure(() => load(program((source) => deepen(source, 400))))
    expect(code).toBe('ERR_LIMIT')
    expect(hint).toContain('limits.depth')
  })
  test.each(['functions', 'methods', 'classes'])('a chain of %s below a limit that was raised loads', async (kind) => {
    const model = await load(
      program((source) => chains[kind]!(source, 300)),
      { limits: { depth: 400 } },
    )
    ;(await model.clone()).forwardSync(smallInput())
  })
  test('counts classes in files of their own', async () => {
    const files = Array.from({ length: 400 }, (_, k) => ({
      name: `small.script/code/__torch__/m${k}.py`,
      data: Buffer.from(`class C:\n  a : ${k === 399 ? 'int' : `__torch__.m${k + 1}.C`}\n`),
    }))
    expect(await code(writeZip([...readZip(small()), ...files]))).toBe('ERR_LIMIT')
  })
  test('counts what is nested in a chain of functions in all', async () => {
    const deep = (source: string) =>
      chains.functions!(source, 1900).replaceAll('(x, )', `(${'('.repeat(30)}x${')'.repeat(30)}, )`)
    const error = await failure(() => load(program(deep), { limits: { depth: 2000 } }))
    expect(error.message).toMatch(/nested more than 32768 deep in all/)
  })
  test('named tuples within one another: each is compared twice as often as the one around it', async () => {
    const error = await failure(() => load(program((source) => chains['named tuples']!(source, 60))))
    expect(error.message).toMatch(/named tuples of its program hold one another too often/)
    await load(program((source) => chains['named tuples']!(source, 10)))
  })
  test('a class whose name has a million parts', async () => {
    const pickle = Buffer.from(`\x80\x02c__torch__.${'a.'.repeat(1_000_000)}b\nx\n)\x81}b.`, 'latin1')
    expect(await code(changed('/data.pkl', () => pickle))).toBe('ERR_LIMIT')
  })
})

test('extra files are no part of the program, whatever their names: they are carried along as they are', async () => {
  const extra = {
    'a.py': '('.repeat(500_000),
    'b.debug_pkl': 'no pickle',
    'data.pkl': 'x',
    'code/c.py': '- '.repeat(9000),
  }
  const files = Object.entries(extra).map(([name, text]) => ({
    name: `small.script/extra/${name}`,
    data: Buffer.from(text),
  }))
  const model = await load(writeZip([...readZip(small()), ...files]))
  const again = await load(await (await model.clone()).toBuffer())
  for (const each of [model, again]) {
    const found = [...each.extraFiles].map(([name, bytes]) => [name, Buffer.from(bytes).toString()])
    expect(Object.fromEntries(found)).toEqual(extra)
  }
})

test('a format that was given up', async () => {
  const entry = { name: 'small.script/model.json', data: Buffer.from('{}') }
  const error = await failure(() => load(writeZip([...readZip(small()), entry])))
  expect(error.message).toMatch(/before PyTorch 1.0/)
})

describe('a table of contents that plays tricks', () => {
  test('two entries with one name', async () => {
    const entries = readZip(small())
    const error = await failure(() => load(writeZip([...entries, entries[0]!])))
    expect(error.message).toMatch(/it holds '.*' twice/)
  })
  test('two names that differ in case only', async () => {
    const entries = readZip(small())
    const { name, data } = entries.find((entry) => entry.name.endsWith('/data/0'))!
    expect(await code(writeZip([...entries, { name: name.replace('/data/0', '/DATA/0'), data }]))).toBe(
      'ERR_MODEL_FILE',
    )
  })
  test('two entries that share their bytes', async () => {
    const bytes = writeZip([...readZip(small()), { name: 'small/extra/a', data: Buffer.from('') }])
    // The last entry points to where the first one is.
    const last = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1')
    bytes.writeUInt32LE(0, last + 42)
    const error = await failure(() => load(bytes))
    expect(error.message).toMatch(/share their bytes/)
  })
})

describe('damaged files in a process of their own', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-hostile-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('neither end it, nor hang, nor fail without a code', { timeout: 120_000 }, async () => {
    const results = await drive(tasksOf(folder, 1, 20), { children: 1, limitMs: 30_000 })
    expect(results).toHaveLength(80)
    expect(results.filter(isFault)).toEqual([])
    expect(results.some(({ outcome }) => outcome === 'ok')).toBe(true)
  })
})
