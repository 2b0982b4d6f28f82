import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { espalier } from '../support/program.js'

const program = fileURLToPath(new URL('job.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-full-disk-'))
afterAll(() => rmSync(folder, { recursive: true }))

const shell = (line: string, ...args: string[]) =>
  spawnSync('sh', ['-c', line, 'sh', process.execPath, ...args], { encoding: 'utf8', timeout: 120_000 })

test('a checkpoint that the system gives no room for is ERR_WRITE, and nothing is left of it', () => {
  const path = join(folder, 'limited.ckpt')
  // Files may have 2 or 4 kB, by the unit of the shell.
  const { status, signal, stdout, stderr } = shell('ulimit -f 4; exec "$@"', program, 'run', 'greg1', path)
  expect({ status, signal, stdout }).toEqual({ status: 1, signal: null, stdout: '' })
  expect(stderr).toMatch(/ERR_WRITE/)
  expect(stderr).toContain(`${path}: can't be written: `)
  expect(readdirSync(folder)).toEqual([])
})

/** A file system of its own with 4 MB at `folder`, for one process and its children. */
const MOUNT = `mount -t tmpfs -o size=4m espalier '${folder}' && exec "$@"`
const small = (...args: string[]) =>
  spawnSync('unshare', ['-rm', 'sh', '-c', MOUNT, 'sh', process.execPath, ...args], {
    ...{ encoding: 'utf8', timeout: 120_000 },
  })

/** Fills the disk in the middle of a run, empties it, and goes on. */
const PROGRAM = `
  import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
  import * as espalier from ${espalier}
  import { fingerprint, job } from ${JSON.stringify(new URL('job.mjs', import.meta.url).href)}
  const path = ${JSON.stringify(join(folder, 'run.ckpt'))}
  const filler = ${JSON.stringify(join(folder, 'filler'))}
  const fill = () => { try { writeFileSync(filler, Buffer.alloc(2 ** 23)) } catch (error) { if (error.code !== 'ENOSPC') throw error } }
  const codes = {}
  const refused = async (name, action) => {
    try { await action(); codes[name] = 'none' } catch (error) { codes[name] = error.code ?? String(error) }
  }
  let batches = 0
  let last
  const first = await job(espalier, 'greg1', path, { onEvent: (record) => {
    if (record.kind !== 'batch' || ++batches !== 7) return
    last = readFileSync(path)
    fill()
  } })
  await refused('run', () => espalier.sparsify(first.model, first.options))
  const whole = readFileSync(path).equals(last)
  const left = readdirSync(${JSON.stringify(folder)}).sort()
  await refused('save', () => first.model.save(path + '.pt'))
  const lines = espalier.jsonLines(path + '.jsonl')
  await refused('jsonLines', () => lines({ kind: 'phase' }))
  rmSync(filler)
  const again = await job(espalier, 'greg1', path)
  const result = await espalier.sparsify(again.model, again.options)
  fill()
  const manifest = path + '.json'
  await refused('manifest', () => espalier.saveManifest(manifest, result))
  codes['a manifest is left'] = existsSync(manifest)
  console.log(JSON.stringify({ batches, whole, left, codes, fingerprint: await fingerprint(result) }))`

const canMount = small('-e', '0').status === 0
if (!canMount) console.warn('The full disk is skipped: this user can make no file system (unshare -rm, mount -t tmpfs)')

describe.skipIf(!canMount)('a disk that is full in the middle of a run', () => {
  test('ends it with ERR_WRITE; the last checkpoint is whole, and the run goes on from it bit by bit', {
    timeout: 240_000,
  }, () => {
    const { status, signal, stdout, stderr } = small('--input-type=module', '-e', PROGRAM)
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const { fingerprint, ...rest } = JSON.parse(stdout)
    expect(rest).toEqual({
      batches: 7,
      whole: true,
      left: ['filler', 'run.ckpt'],
      codes: {
        run: 'ERR_WRITE',
        save: 'ERR_WRITE',
        jsonLines: 'ERR_WRITE',
        manifest: 'ERR_WRITE',
        'a manifest is left': false,
      },
    })
    expect(existsSync(join(folder, 'run.ckpt'))).toBe(false)
    const wanted = spawnSync(process.execPath, [program, 'run', 'greg1'], { encoding: 'utf8' }).stdout.trim()
    expect(fingerprint === wanted).toBe(true)
  })
})
