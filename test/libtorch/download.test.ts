import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { downloadFile, type Remote } from '../../lib/libtorch/install/net/download.js'
import type { Network } from '../../lib/libtorch/install/net/network.js'
import { type Loopback, loopback, redirect, serving, status } from './loopback.js'

const data = randomBytes(300_000)
const other = randomBytes(300_000)
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

let folder: string
let path: string
let server: Loopback
let said: string[]
let statuses: string[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-download-'))
  path = join(folder, 'file.whl')
  server = await loopback()
  said = []
  statuses = []
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

function download(changes: Partial<Remote> = {}, network: Partial<Network> = {}): Promise<void> {
  const remote = { url: new URL(`${server.url}/file.whl`), name: 'file.whl', sha256: sumOf(data), bytes: data.length }
  return downloadFile(
    { ...remote, ...changes },
    path,
    { env: {}, signal: undefined, quiet: 300, tries: 3, pause: 1, ...network },
    { say: (line) => void said.push(line), status: (line) => void statuses.push(line) },
  )
}
/** Of what is not known nothing can be wrong. */
const unknown = { sha256: undefined, bytes: undefined }

const expectWhole = () => {
  expect(readFileSync(path).equals(data)).toBe(true)
  expect(readdirSync(folder)).toEqual(['file.whl'])
}
const ranges = () => server.requests.map(({ headers }) => headers.range)
const partSize = () => readFileSync(`${path}.part`).length

it('a file arrives whole, under its name and with nothing beside it', async () => {
  server.answer(serving(data))
  await download()
  expectWhole()
})
it('a file of unknown length arrives, too', async () => {
  server.answer(serving(data, { chunked: true }))
  await download(unknown)
  expectWhole()
})
it('while it comes, progress says how much of it there is', async () => {
  server.answer(serving(data, { stallAt: 200_000 }), serving(data))
  await download({}, { quiet: 1500 })
  expect(statuses).toContainEqual(expect.stringMatching(/^fetching: 0 of 0 MB(, \d+\.\d MB\/s, \d+ s left)?$/))
})

describe('a download that breaks off', () => {
  it('goes on where it was', async () => {
    server.answer(serving(data, { breakAt: 100_000, etag: '"a"' }), serving(data, { etag: '"a"' }))
    await download()
    expectWhole()
    expect(ranges()).toEqual([undefined, 'bytes=100000-'])
    expect(server.requests[1]!.headers['if-range']).toBe('"a"')
    expect(said).toEqual([expect.stringMatching(/trying again in \d+ s$/)])
  })
  it('goes on as often as it comes further', async () => {
    server.answer(...Array.from({ length: 6 }, () => serving(data, { breakAt: 40_000, etag: '"a"' })), serving(data))
    await download({}, { tries: 2 })
    expectWhole()
  })
  it('ends when it comes no further, and keeps what there is', async () => {
    server.answer(serving(data, { breakAt: 100_000, ignoreRange: true }))
    await expect(download()).rejects.toThrow(/127\.0\.0\.1/)
    expect(server.requests).toHaveLength(3)
    expect(partSize()).toBe(100_000)
  })
  it('goes on in another process', async () => {
    server.answer(serving(data, { breakAt: 100_000, etag: '"a"' }))
    await expect(download({}, { tries: 1 })).rejects.toThrow()
    server.answer(serving(data, { etag: '"a"' }))
    await download()
    expectWhole()
    expect(ranges()).toEqual([undefined, 'bytes=100000-'])
  })
  it('goes on at another server when the sum is known', async () => {
    server.answer(serving(data, { breakAt: 100_000, etag: '"a"' }))
    await expect(download({}, { tries: 1 })).rejects.toThrow()
    server.answer(serving(data, { etag: '"b"' }))
    await download({ url: new URL(`${server.url}/elsewhere/file.whl`) })
    expectWhole()
    expect(server.requests[1]!.headers).toMatchObject({ range: 'bytes=100000-' })
    expect(server.requests[1]!.headers['if-range']).toBeUndefined()
  })
  it('begins again where nobody can say that it is the same file', async () => {
    server.answer(serving(data, { breakAt: 100_000 }), serving(data))
    await download(unknown)
    expectWhole()
    expect(ranges()).toEqual([undefined, undefined])
  })
  it('begins again at a server that knows no ranges', async () => {
    server.answer(serving(data, { breakAt: 100_000 }), serving(data, { ignoreRange: true }))
    await download()
    expectWhole()
  })
  it('begins again when the file has changed meanwhile', async () => {
    server.answer(serving(other, { breakAt: 100_000, etag: '"a"' }), serving(data, { etag: '"b"' }))
    await download(unknown)
    expectWhole()
  })
  it('begins again when a server goes on with another file and says so', async () => {
    const careless = serving(data, { etag: '"b"' })
    server.answer(serving(other, { breakAt: 100_000, etag: '"a"' }), (request, response) => {
      delete request.headers['if-range']
      careless(request, response)
    })
    await download(unknown)
    expectWhole()
    expect(said.at(-1)).toMatch(/is not the file that it was/)
  })
  it('begins again when a server goes on with another file and does not say so', async () => {
    server.answer(serving(other, { breakAt: 100_000 }), serving(data))
    await download()
    expectWhole()
    expect(said.at(-1)).toMatch(/once more from the beginning/)
  })
  it('is done when only the name was missing', async () => {
    server.answer(serving(data))
    writeFileSync(`${path}.part`, data)
    await download()
    expectWhole()
    expect(server.requests).toEqual([])
  })
  it('is done when the server says that there is no more', async () => {
    server.answer(serving(data, { etag: '"a"' }))
    writeFileSync(`${path}.part`, data)
    await download({ bytes: undefined })
    expectWhole()
    expect(ranges()).toEqual([`bytes=${data.length}-`])
  })
  it('begins again when the part is longer than the file', async () => {
    server.answer(serving(data))
    writeFileSync(`${path}.part`, Buffer.concat([data, data]))
    await download({ bytes: undefined })
    expectWhole()
  })
})

describe('a server that is in trouble', () => {
  it.each([500, 502, 503, 429, 408])('is asked again after %i', async (code) => {
    server.answer(status(code), serving(data))
    await download()
    expectWhole()
  })
  it('is given the time that it asks for', async () => {
    server.answer(status(429, { 'retry-after': '1' }), serving(data))
    const start = Date.now()
    await download()
    expect(Date.now() - start).toBeGreaterThan(900)
  })
  it('that stays in it is an error after some tries', async () => {
    server.answer(status(503))
    await expect(download()).rejects.toThrow(/file\.whl: HTTP 503$/)
    expect(server.requests).toHaveLength(3)
  })
  it.each([400, 401, 403, 404, 410])('is not asked again after %i', async (code) => {
    server.answer(status(code))
    await expect(download()).rejects.toThrow(new RegExp(`HTTP ${code}$`))
    expect(server.requests).toHaveLength(1)
  })
  it('that says nothing is given up', async () => {
    server.answer(() => {})
    await expect(download({}, { tries: 1 })).rejects.toThrow(/says nothing for 0\.3 s$/)
  })
  it('that stops sending is asked for the rest', async () => {
    server.answer(serving(data, { stallAt: 100_000, etag: '"a"' }), serving(data, { etag: '"a"' }))
    await download()
    expectWhole()
    expect(said).toEqual([expect.stringMatching(/sends nothing for 0\.3 s; trying again/)])
    expect(ranges()[1]).toBe('bytes=100000-')
  })
  it('that refuses connections is tried again', async () => {
    await server.close()
    await expect(download()).rejects.toThrow(/ECONNREFUSED/)
    expect(said).toHaveLength(2)
    server = await loopback()
  })
  it('that has no name is not', async () => {
    await expect(download({ url: new URL('http://no-such-host.invalid/file.whl') })).rejects.toThrow(/no-such-host/)
    expect(existsSync(path)).toBe(false)
  })
})

describe('a server that lies', () => {
  it.each([
    ['a length that is too short', 100_000, /has 100000 bytes, expected 300000/],
    ['a length that is too long', 400_000, /has 400000 bytes, expected 300000/],
  ])('about a known file, with %s, is found out at once', async (_name, length, words) => {
    server.answer(serving(data, { length }))
    await expect(download()).rejects.toThrow(words)
    expect(existsSync(path)).toBe(false)
  })
  it('with a length that is too long never gives a whole file', async () => {
    server.answer(serving(data, { length: 400_000 }))
    await expect(download(unknown)).rejects.toThrow()
    expect(existsSync(path)).toBe(false)
  })
  it('with a length that is too short gives no file of the known sum', async () => {
    server.answer(serving(data, { length: 100_000 }))
    await expect(download({ bytes: undefined })).rejects.toThrow()
    expect(existsSync(path)).toBe(false)
  })
  it('with wrong bytes gives an error with both sums, and they are deleted', async () => {
    server.answer(serving(other))
    await expect(download()).rejects.toThrow(`SHA-256 ${sumOf(other)}, expected ${sumOf(data)}; it was deleted`)
    expect(readdirSync(folder)).toEqual([])
    expect(server.requests).toHaveLength(1)
  })
  it('with more bytes than the known file has is cut off', async () => {
    server.answer((_request, response) => {
      response.writeHead(200)
      const more = () => void response.write(other, (error) => error ?? setImmediate(more))
      more()
    })
    await expect(download()).rejects.toThrow(/sends more than/)
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('with %i is followed', async (code) => {
    server.answer(redirect('/elsewhere', code), serving(data))
    await download()
    expectWhole()
    expect(server.requests[1]!.url).toBe('/elsewhere')
  })
  it('in a circle ends', async () => {
    server.answer(redirect('/file.whl'))
    await expect(download()).rejects.toThrow(/redirected more than 5 times/)
    expect(server.requests).toHaveLength(6)
  })
  it.each([
    ['to no address', 'http://', /redirects to no address/],
    ['to a file', 'file:///etc/passwd', /redirects to file:, not HTTP/],
  ])('%s is refused', async (_name, location, words) => {
    server.answer(redirect(location))
    await expect(download()).rejects.toThrow(words)
  })
  it('to another server takes no password along, and no message shows it', async () => {
    const second = await loopback()
    try {
      second.answer(status(404))
      server.answer(redirect('/same'), redirect(`${second.url}/other?signature=1`))
      const url = new URL(`http://user:secret@127.0.0.1:${server.port}/file.whl`)
      const error = await download({ url }).catch((error: Error) => error.message)
      expect(error).toBe(`${second.url}/other: HTTP 404`)
      const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`
      expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([basic, basic])
      expect(second.requests[0]!.headers.authorization).toBeUndefined()
    } finally {
      await second.close()
    }
  })
})

it('a full disk is an error that says so, and what to do', async () => {
  symlinkSync('/dev/full', `${path}.part`)
  server.answer(serving(data))
  await expect(download()).rejects.toMatchObject({
    code: 'ERR_INSTALL',
    message: 'No space is left for the download',
    hint: expect.stringContaining('XDG_CACHE_HOME') as unknown,
  })
})

describe('a signal', () => {
  it('ends the download and keeps the part for the next one', async () => {
    const stop = new AbortController()
    server.answer(serving(data, { stallAt: 100_000, etag: '"a"' }), serving(data, { etag: '"a"' }))
    const work = download({}, { signal: stop.signal, quiet: 10_000 })
    while (!existsSync(`${path}.part`) || partSize() < 100_000) await new Promise((done) => setTimeout(done, 5))
    stop.abort()
    await expect(work).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(partSize()).toBe(100_000)
    await download()
    expectWhole()
    expect(ranges()).toEqual([undefined, 'bytes=100000-'])
  })
  it('ends the wait between two tries', async () => {
    const stop = new AbortController()
    server.answer(status(503, { 'retry-after': '60' }))
    const work = download({}, { signal: stop.signal })
    while (said.length === 0) await new Promise((done) => setTimeout(done, 5))
    stop.abort()
    await expect(work).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  })
  it('that was raised before asks nobody', async () => {
    await expect(download({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    expect(server.requests).toEqual([])
  })
})
