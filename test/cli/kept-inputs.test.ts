import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'espalier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

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
