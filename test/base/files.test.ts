import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { jsonLines, load, loadManifest, type ScriptModule } from 'espalier'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { writeFileAtomic } from '../../lib/base/files.js'
import { failure, model } from '../torch/support.js'

let folder: string
let network: ScriptModule
beforeAll(async () => {
  network = await load(model('small.script.pt'))
})
afterAll(() => network.dispose())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-files-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const fifo = () => {
  const path = join(folder, 'fifo')
  expect(spawnSync('mkfifo', [path]).status).toBe(0)
  return path
}

/** The rule is one, the writers are two: modules and checkpoints are written natively. */
describe.each<[string, (path: string) => Promise<void>]>([
  ['a module', (path) => network.save(path)],
  ['a text', (path) => writeFileAtomic(path, 'text')],
])('writing %s', (_, write) => {
  test('goes through a link, which stays', async () => {
    mkdirSync(join(folder, 'real'))
    writeFileSync(join(folder, 'real/a.pt'), 'older')
    symlinkSync('real/a.pt', join(folder, 'link.pt'))
    symlinkSync(join(folder, 'link.pt'), join(folder, 'link-of-link.pt'))
    await write(join(folder, 'link-of-link.pt'))
    expect(lstatSync(join(folder, 'link-of-link.pt')).isSymbolicLink()).toBe(true)
    expect(readlinkSync(join(folder, 'link.pt'))).toBe('real/a.pt')
    expect(readFileSync(join(folder, 'real/a.pt'), 'utf8')).not.toBe('older')
    expect(readdirSync(join(folder, 'real'))).toEqual(['a.pt'])
  })
  test('goes through a link to a file that is not there yet', async () => {
    symlinkSync('new.pt', join(folder, 'link.pt'))
    await write(join(folder, 'link.pt'))
    expect(readdirSync(folder).sort()).toEqual(['link.pt', 'new.pt'])
  })
  test('refuses links in a circle', async () => {
    symlinkSync('b', join(folder, 'a'))
    symlinkSync('a', join(folder, 'b'))
    const error = await failure(() => write(join(folder, 'a')))
    expect([error.code, /ELOOP/.test(error.message)]).toEqual(['ERR_WRITE', true])
  })
  test.each([0o600, 0o640, 0o444, 0o755])("keeps an older file's permissions %o", async (mode) => {
    const path = join(folder, 'a.pt')
    writeFileSync(path, 'older')
    chmodSync(path, mode)
    await write(path)
    expect(statSync(path).mode & 0o7777).toBe(mode)
    expect(readFileSync(path, 'utf8')).not.toBe('older')
  })
  test.each([
    ['255 bytes', 'a'.repeat(255)],
    ['255 bytes of two each', `${'ä'.repeat(127)}a`],
  ])('takes a name of %s', async (_words, name) => {
    await write(join(folder, name))
    expect(readdirSync(folder)).toEqual([name])
  })
  test('refuses a name that is too long', async () => {
    const error = await failure(() => write(join(folder, 'a'.repeat(256))))
    expect([error.code, /ENAMETOOLONG/.test(error.message)]).toEqual(['ERR_WRITE', true])
  })
  test('refuses a FIFO at once', async () => {
    const path = fifo()
    expect((await failure(() => write(path))).code).toBe('ERR_WRITE')
    expect(lstatSync(path).isFIFO()).toBe(true)
  })
  test('refuses a socket', async () => {
    const path = join(folder, 'socket')
    const server = createServer().listen(path)
    await once(server, 'listening')
    expect((await failure(() => write(path))).code).toBe('ERR_WRITE')
    expect(lstatSync(path).isSocket()).toBe(true)
    await new Promise((closed) => server.close(closed))
  })
  test('says in words what the system says', async () => {
    const { message } = await failure(() => write(join(folder, 'none', 'a.pt')))
    expect(message).toMatch(/no such file or directory \(ENOENT\)$/i)
  })
  test('refuses a folder', async () => {
    expect((await failure(() => write(folder))).message).toMatch(/EISDIR/)
  })
  test('refuses a NUL', async () => {
    const error = await failure(() => write(join(folder, 'a\0b.pt')))
    expect(error.code).toBe('ERR_INVALID_ARGUMENT')
    expect(readdirSync(folder)).toEqual([])
  })
  test('by several at once leaves one whole file', async () => {
    const path = join(folder, 'a.pt')
    await Promise.all(Array.from({ length: 8 }, () => write(path)))
    expect(readdirSync(folder)).toEqual(['a.pt'])
  })
  test('removes what a killed writer of this file has left, and nothing else', async () => {
    const host = crc32(hostname()).toString(16).padStart(8, '0')
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    const others = [
      `a.pt.${host}-${process.pid}-00000000.part`,
      `a.pt.${host === '00000000' ? '1' : '0'}${host.slice(1)}-${dead}-00000000.part`.replace(host, 'ffffffff'),
      `b.pt.${host}-${dead}-00000000.part`,
      'a.pt.mine.part',
    ]
    for (const name of [`a.pt.${host}-${dead}-00000000.part`, ...others]) writeFileSync(join(folder, name), 'part')
    await write(join(folder, 'a.pt'))
    expect(readdirSync(folder).sort()).toEqual([...others, 'a.pt'].sort())
  })
})

describe('reading', () => {
  test.each<[string, (path: string) => Promise<unknown>, string]>([
    ['a model', (path) => load(path), 'ERR_READ'],
    ['a manifest', (path) => loadManifest(path), 'ERR_READ'],
  ])('%s from a FIFO, a device or a folder fails at once', async (_, read, code) => {
    for (const path of [fifo(), '/dev/zero', folder]) expect((await failure(() => read(path))).code).toBe(code)
    expect((await failure(() => read('a\0b'))).code).toBe('ERR_INVALID_ARGUMENT')
  })
})

test('lines are not appended to a FIFO', async () => {
  const path = fifo()
  expect((await failure(() => jsonLines(path))).code).toBe('ERR_WRITE')
})
