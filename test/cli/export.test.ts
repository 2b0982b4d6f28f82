import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const espalier = (...args: string[]) =>
  spawnSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), ...args], { encoding: 'utf8', cwd: folder })

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-export-'))
  copyFileSync(join(ROOT, 'test/fixtures/models/toy_resnet.trace_train.pt'), join(folder, 'model.pt'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('espalier export', () => {
  it('writes a second file, and tells what it gains; compare takes it', () => {
    const before = readFileSync(join(folder, 'model.pt'))
    const { status, stdout, stderr } = espalier('export', 'model.pt', '--optimize', '-i', '1,3,32,32', '--json')
    expect([status, stderr]).toEqual([0, ''])
    const { output, latency, bytes, difference } = JSON.parse(stdout)
    expect(output).toBe('model-fast.pt')
    expect(bytes).toEqual(['model.pt', 'model-fast.pt'].map((name) => statSync(join(folder, name)).size))
    expect(difference).toBeLessThan(1e-5)
    expect(latency).toHaveLength(2)
    expect(readFileSync(join(folder, 'model.pt')).equals(before)).toBe(true)

    const compared = espalier(
      'compare',
      'model.pt',
      output,
      '-i',
      '1,3,32,32',
      '--batches',
      '1',
      '--rounds',
      '2',
      '--json',
    )
    expect(compared.status).toBe(0)
    const { sizes } = JSON.parse(compared.stdout)
    expect(sizes[0].params).toBeGreaterThan(0)
    expect(sizes[1]).toEqual({ bytes: bytes[1] })
  })

  it('does not write over the model, and says that inputs are missing', () => {
    const over = espalier('export', 'model.pt', '-i', '1,3,32,32', '-o', 'model.pt')
    expect([over.status !== 0, over.stderr]).toEqual([true, expect.stringContaining('the model itself')])
    const without = espalier('export', join(ROOT, 'test/fixtures/models/toy_concat.script.pt'))
    expect([without.status !== 0, without.stderr]).toEqual([true, expect.stringContaining('there is no example input')])
  })
})
