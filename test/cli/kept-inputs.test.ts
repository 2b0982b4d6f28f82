import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tracedInputs } from '../../lib/cli/traced-inputs.js'
import { makeZip } from '../libtorch/zip.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const espalier = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args, '--json'], { encoding: 'utf8', cwd: folder })

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-kept-'))
  copyFileSync(join(ROOT, 'test/fixtures/models/toy_resnet.trace_train.pt'), join(folder, 'model.pt'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the example inputs of a model', () => {
  it('are in the file that a command wrote, and are said no more', async () => {
    const { status } = espalier('prune', 'model.pt', '-i', '1,3,32,32', '--macs', '0.5', '-o', 'small.pt')
    expect(status).toBe(0)
    using small = await load(join(folder, 'small.pt'))
    expect(JSON.parse(Buffer.from(small.extraFiles.get('espalier-inputs.json')!).toString())).toEqual(['1,3,32,32'])

    const inspected = espalier('inspect', 'small.pt')
    expect([inspected.status, JSON.parse(inspected.stdout).groups.length > 0]).toEqual([0, true])
    const again = espalier('prune', 'small.pt', '--macs', '0.9')
    expect([again.status, JSON.parse(again.stdout).output]).toEqual([0, 'small-small.pt'])
    const named = espalier('inspect', 'small.pt', '-i', 'x=1,3,32,32')
    expect([named.status, named.stdout]).toEqual([0, inspected.stdout])
    const other = espalier('inspect', 'small.pt', '-i', '1,4,32,32')
    expect([other.status !== 0, JSON.parse(other.stdout).error.code]).toEqual([true, 'ERR_INVALID_ARGUMENT'])
  })

  it.each([
    ['no JSON', 'x'],
    ['no texts', '[1,2]'],
    ['no list', '{"a":"1,3,32,32"}'],
    ['far too many numbers', '["1,3,100000,100000"]'],
    ['too many tensors', JSON.stringify([`[${Array(100).fill('1,100000000').join('; ')}]`])],
    ['too many brackets', JSON.stringify(['['.repeat(2000)])],
  ])('are none where the file has %s', async (_, text) => {
    using model = await load(join(folder, 'model.pt'))
    await model.save(join(folder, 'odd.pt'), { extraFiles: { 'espalier-inputs.json': text } })
    const { status, stdout } = espalier('inspect', 'odd.pt')
    expect([status !== 0, JSON.parse(stdout).error.message]).toEqual([true, 'there is no example input'])
  })
})

describe('what a model was traced with', () => {
  const fixture = (name: string) => join(ROOT, 'test/fixtures/models', name)

  // The shapes are those of test/fixtures/make.py.
  it.each([
    ['calls.trace.pt', ['2,3,4,4']],
    ['no_momentum.trace.pt', ['2,1']],
    ['encoder.trace.pt', ['2,5,8']],
    ['stream.trace.pt', ['1,5,4', '1,1,6', '1,1,6']],
    ['toy_concat.script.pt', undefined],
    ['state_dict.pt', undefined],
    ['none.pt', undefined],
  ])('is read from %s', async (name, texts) => {
    expect(await tracedInputs(fixture(name))).toEqual(texts)
  })

  it('is what a command takes where nothing else is said', () => {
    const { status, stdout } = espalier('inspect', fixture('calls.trace.pt'))
    const said = espalier('inspect', fixture('calls.trace.pt'), '-i', '2,3,4,4')
    expect([status, JSON.parse(stdout)]).toEqual([0, JSON.parse(said.stdout)])
  })

  const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`
  const tensor = (storage: string, shape: string) =>
    `ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\n${storage}\n${text('0')}${text('cpu')}K\x01tQK\0${shape})\x89)tR`
  const inputs = (items: string) => `\x80\x02}(${text('forward')}](${items}eu.`
  const read = async (pickle: string) => {
    const path = join(folder, 'made.pt')
    writeFileSync(path, makeZip([{ name: 'made/traced_inputs.pkl', data: Buffer.from(pickle, 'latin1') }]))
    return await tracedInputs(path)
  }

  it.each([
    ['token ids', tensor('LongStorage', '(K\x01K\x10t'), ['int64:1,16']],
    ['a number and nothing', 'K\x03N', ['number:3', 'none']],
    ['a dict', `}(${text('mask')}${tensor('BoolStorage', '(K\x02t')}u`, ['{mask=bool:2}']],
    ['a tuple', `(${tensor('FloatStorage', '(K\x02t')}${tensor('DoubleStorage', '(t')}t`, ['[2; float64:]']],
  ])('may be %s', async (_, items, texts) => {
    expect(await read(inputs(items))).toEqual(texts)
  })

  // Each list holds the one before twice: 2 to the power of 200 lists.
  const bomb = `]q\0${Array.from({ length: 200 }, (_, k) => `](h${String.fromCharCode(k)}h${String.fromCharCode(k)}eq${String.fromCharCode(k + 1)}`).join('')}`
  it.each([
    ['a text', inputs(text('a; b'))],
    ['a call of something else', inputs('cos\nsystem\n(X\x02\0\0\0lstR')],
    ['more than can be told', inputs(bomb)],
    ['a list that holds itself', inputs('](q\0h\0e')],
    ['a list in itself', inputs(']q\0(h\0e')],
    ['an end too early', '\x80\x02}(X\xff\xff\xff\x7f'],
    ['no pickle', 'no pickle'],
    ['nothing', ''],
  ])('is nothing where it is %s', async (_, pickle) => {
    expect(await read(pickle)).toBeUndefined()
  })
})
