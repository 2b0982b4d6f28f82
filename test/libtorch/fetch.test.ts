import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { realHost } from '../../lib/libtorch/host.js'
import { type InstallOptions, installLibtorch } from '../../lib/libtorch/install/index.js'
import { KNOWN_FILES, type KnownFile, projectOf } from '../../lib/libtorch/install/known.js'
import type { Run } from '../../lib/libtorch/install/pip.js'
import { trustedFiles } from '../../lib/libtorch/resolve.js'
import { type Handler, type Loopback, loopback, serving, status } from './loopback.js'
import { makeZip, wheelEntries } from './zip.js'

const NAME = 'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl'
const PAGE = '/simple/torch/'
const wheel = makeZip(wheelEntries())
const rebuilt = makeZip([...wheelEntries(), { name: 'torch/share/rebuilt', data: 'x' }])
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

let folder: string
let server: Loopback
/** What the server has, by path. */
let pages: Record<string, Handler>
let said: string[]
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-fetch-'))
  said = []
  pages = {}
  server = await loopback()
  server.answer((request, response) => {
    const page = pages[decodeURIComponent(request.url ?? '')] ?? status(404)
    page(request, response)
  })
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const noPip: Run = async () => ({ status: null, output: 'spawn python3 ENOENT' })
const known = (): KnownFile => ({
  variant: 'cpu',
  platform: `${process.platform}-${process.arch}`,
  name: NAME,
  url: `${server.url}/upstream/${NAME}`,
  sha256: sumOf(wheel),
  bytes: wheel.length,
})
interface Given extends Partial<InstallOptions> {
  env?: Record<string, string>
}
const install = ({ env = {}, ...options }: Given = {}) =>
  installLibtorch({
    variant: 'cpu',
    progress: { say: (line) => void said.push(line), status: () => {} },
    host: realHost({ XDG_CACHE_HOME: join(folder, 'cache'), PATH: '', PIP_CONFIG_FILE: '/dev/null', ...env }),
    files: [known()],
    network: { quiet: 1000, tries: 2, pause: 1 },
    run: noPip,
    ...options,
  })
const cache = (...names: string[]) => join(folder, 'cache/espalier/libtorch', ...names)
const failure = async (work: Promise<unknown>) => {
  const error = (await work.catch((thrown: unknown) => thrown)) as { code: string; message: string; detail?: string }
  return `${error.code} ${error.message} ${error.detail ?? ''}`
}

const asJson =
  (files: unknown): Handler =>
  (request, response) => {
    expect(request.headers.accept).toMatch(/^application\/vnd\.pypi\.simple\.v1\+json,/)
    response.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' })
    response.end(JSON.stringify({ meta: { 'api-version': '1.1' }, name: 'torch', files }))
  }
const asHtml =
  (...links: string[]): Handler =>
  (_request, response) => {
    const lines = links.map((href) => `<a class="x" href="${href}" data-requires-python="&gt;=3.10">torch</a><br/>`)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(`<!DOCTYPE html><html><head><title>Links</title></head><body>${lines.join('\n')}</body></html>`)
  }
const entry = (url: string, sha256?: string, filename = NAME) => ({
  filename,
  url,
  hashes: sha256 === undefined ? {} : { sha256 },
})

describe('without an index', () => {
  it("the publisher's file is fetched and installed, and nothing else stays", async () => {
    pages[`/upstream/${NAME}`] = serving(wheel)
    const root = await install()
    expect(existsSync(join(root, 'lib/libtorch_cpu.so'))).toBe(true)
    expect(readdirSync(cache())).toEqual(['2.13.0-cpu'])
    expect(trustedFiles(realHost(), root)).toEqual([])
  })
  it("pip's mirror is asked when the publisher doesn't give it", async () => {
    pages[PAGE] = asJson([entry(`${server.url}/files/${NAME}`)])
    pages[`/files/${NAME}`] = serving(wheel)
    await install({ env: { PIP_INDEX_URL: `${server.url}/simple` } })
    expect(said.slice(0, 3)).toEqual([
      `fetching ${NAME} from 127.0.0.1:${server.port}`,
      `  not there: ${server.url}/upstream/${NAME}: HTTP 404`,
      `fetching ${NAME} from ${server.url}/simple (PIP_INDEX_URL)`,
    ])
  })
  it('a machine without a known file is told before anything is fetched', async () => {
    const error = await failure(install({ files: [{ ...known(), platform: 'plan9-mips' }] }))
    expect(error).toMatch(/^ERR_INSTALL no checksums are known for the cpu build on /)
    expect(server.requests).toEqual([])
  })
  it('a file that an earlier run has fetched is used', async () => {
    pages[`/upstream/${NAME}`] = serving(wheel, { breakAt: 100, etag: '"a"' })
    await failure(install({ network: { tries: 1 } }))
    pages[`/upstream/${NAME}`] = serving(wheel, { etag: '"a"' })
    await install()
    expect(server.requests.at(-1)!.headers.range).toBe('bytes=100-')
  })
  it('a file with other bytes is not installed, and the error names both sums', async () => {
    const same = Buffer.from(wheel)
    same[40]! ^= 1
    pages[`/upstream/${NAME}`] = serving(same)
    const error = await failure(install())
    expect(error).toContain(`has SHA-256 ${sumOf(same)}, expected ${sumOf(wheel)}`)
    expect(existsSync(cache('2.13.0-cpu'))).toBe(false)
  })
  it('pip is the last that is asked', async () => {
    const run: Run = async (_command, args) => {
      writeFileSync(join(args[args.indexOf('--dest') + 1]!, NAME), wheel)
      return { status: 0, output: '' }
    }
    const root = await install({ run })
    expect(existsSync(join(root, 'lib/libtorch_cpu.so'))).toBe(true)
    expect(said).toContain('trying pip instead')
  })
  it('and nothing else either, the error says what each one said and what to do', async () => {
    const run: Run = async () => ({ status: 1, output: 'ERROR: No matching distribution found' })
    const error = await install({ run, env: { PIP_INDEX_URL: `${server.url}/simple` } }).catch((e: unknown) => e)
    expect(error).toMatchObject({
      code: 'ERR_INSTALL',
      message: "LibTorch 2.13.0 (cpu) can't be fetched",
      detail: expect.stringMatching(/upstream.*HTTP 404\n.*simple\/torch\/: HTTP 404\npython3 -m pip/),
      hint: expect.stringContaining('install-libtorch --from FILE'),
    })
  })
})

describe('a variant of several files', () => {
  const torch = makeZip(wheelEntries('2.14.1+cu130', ['libtorch_cuda.so']))
  const nvidia = (...libraries: string[]) =>
    makeZip(libraries.map((name) => ({ name: `nvidia/cu13/lib/${name}`, data: 'x' })))
  const bytesOf: Record<string, Buffer> = {
    torch,
    nvidia_cublas: nvidia('libcublas.so.13'),
    nvidia_cuda_runtime: nvidia('libcudart.so.13'),
  }
  /** Those of the CUDA build, by name, with other content. */
  const files = (url: string): KnownFile[] =>
    KNOWN_FILES.filter(({ variant }) => variant === 'cu130').flatMap((file) => {
      const bytes = bytesOf[file.name.split('-')[0]!]
      if (bytes === undefined) return []
      pages[`/files/${file.name}`] = serving(bytes)
      return [{ ...file, url: `${url}/${file.name}`, sha256: sumOf(bytes), bytes: bytes.length }]
    })
  const nobody = 'http://127.0.0.1:1'

  it('asks a publisher that gives no answer for the first file only', async () => {
    const wanted = files(nobody)
    for (const { name } of wanted)
      pages[`/simple/${projectOf(name)}/`] = asJson([entry(`/files/${name}`, undefined, name)])
    const env = { PIP_INDEX_URL: `${server.url}/simple` }
    await install({ variant: 'cu130', files: wanted, env })
    expect(said.filter((line) => line.endsWith('from 127.0.0.1:1'))).toEqual([
      `fetching ${wanted[0]!.name} from 127.0.0.1:1`,
    ])
  })
  it('asks one that answers, though without the file, for the next one', async () => {
    const wanted = files(`${server.url}/files`)
    const first = wanted[0]!
    delete pages[`/files/${first.name}`]
    pages[`/simple/${projectOf(first.name)}/`] = asJson([entry('/elsewhere', undefined, first.name)])
    pages['/elsewhere'] = serving(bytesOf.torch!)
    await install({ variant: 'cu130', files: wanted, env: { PIP_INDEX_URL: `${server.url}/simple` } })
    expect(said.filter((line) => line.startsWith('fetching ') && !line.includes('PIP_INDEX_URL'))).toHaveLength(
      wanted.length,
    )
  })
  it('asks pip for those that are missing, and keeps what pip fetched before', async () => {
    const wanted = files(`${server.url}/files`)
    const [first, second, last] = wanted as [KnownFile, KnownFile, KnownFile]
    const before = cache('2.14.1-cu130.download', 'pip')
    mkdirSync(before, { recursive: true })
    writeFileSync(join(before, first.name), bytesOf.torch!)
    delete pages[`/files/${last.name}`]
    const asked: (readonly string[])[] = []
    const run: Run = async (_command, args) => {
      asked.push(args)
      writeFileSync(join(args[args.indexOf('--dest') + 1]!, last.name), bytesOf.nvidia_cuda_runtime!)
      return { status: 0, output: '' }
    }
    const root = await install({ variant: 'cu130', files: wanted, run })
    const requirements = asked[0]!.filter((arg) => arg.includes('=='))
    for (const { name } of [first, second]) expect(requirements.join(' ')).not.toContain(`${projectOf(name)}==`)
    expect(requirements).toContain(`${projectOf(last.name)}==${last.name.split('-')[1]}`)
    expect(asked[0]!.filter((arg) => arg.startsWith('--abi'))).toEqual(['--abi=none'])
    expect(readdirSync(join(root, 'nvidia/cu13/lib')).sort()).toEqual(['libcublas.so.13', 'libcudart.so.13'])
  })
})

describe('an index', () => {
  const at = (index: string, options: Given = {}) => install({ index, ...options })
  const simple = () => `${server.url}/simple`

  it('is the only one that is asked, also by pip', async () => {
    const asked: unknown[] = []
    const run: Run = async (_command, args, env) => {
      asked.push(args.includes('--index-url'), env.PIP_INDEX_URL)
      return { status: 1, output: 'no' }
    }
    await failure(at(simple(), { run }))
    expect(server.requests.map(({ url }) => url)).toEqual([PAGE])
    expect(asked).toEqual([false, simple()])
  })
  it('may be named by ESPALIER_INDEX', async () => {
    pages[PAGE] = asJson([entry(`../../files/${NAME}`)])
    pages[`/files/${NAME}`] = serving(wheel)
    await install({ env: { ESPALIER_INDEX: simple() } })
    expect(said[0]).toBe(`fetching ${NAME} from ${simple()} (ESPALIER_INDEX)`)
  })
  it.each(['/simple', '/simple/'])('may end in %s', async (end) => {
    pages[PAGE] = asJson([entry(`/files/${NAME}`, sumOf(wheel))])
    pages[`/files/${NAME}`] = serving(wheel)
    await at(`${server.url}${end}`)
  })
  it('may be a page of links, with sums and without', async () => {
    pages[`/files/${NAME}`] = serving(wheel)
    pages[PAGE] = asHtml(
      '../../files/torch-2.12.0.whl',
      `../../files/${NAME.replace('+', '%2B')}#sha256=${sumOf(wheel)}`,
    )
    await at(simple())
    rmSync(cache(), { recursive: true })
    pages[PAGE] = asHtml(`/files/${NAME.replace('+', '&#43;')}`)
    await at(simple())
  })
  it('with a password gets it, and so do the files beside it; no message shows it', async () => {
    pages[PAGE] = asJson([entry(`/files/${NAME}`)])
    pages[`/files/${NAME}`] = serving(wheel)
    await at(`http://me:secret@127.0.0.1:${server.port}/simple`)
    const basic = `Basic ${Buffer.from('me:secret').toString('base64')}`
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([basic, basic])
    expect(said.join('\n')).not.toContain('secret')
  })
  it('is asked again when it is in trouble', async () => {
    let asked = 0
    const page = asJson([entry(`/files/${NAME}`)])
    pages[PAGE] = (request, response) => (asked++ === 0 ? status(503) : page)(request, response)
    pages[`/files/${NAME}`] = serving(wheel)
    await at(simple())
  })
  it.each<[string, () => Handler, RegExp]>([
    [
      'has no such file',
      () => asJson([entry('/x', undefined, 'torch-2.13.0.whl')]),
      /simple has no torch-2\.13\.0\+cpu/,
    ],
    ['has it with another sum', () => asJson([entry('/x', sumOf(rebuilt))]), /lists .* with SHA-256 .*, expected/],
    ['has it elsewhere than on the web', () => asJson([entry('file:///etc/passwd')]), /simple has no torch/],
    ['is no index', () => asJson('none'), /is no simple index/],
    ['is damaged', () => (_, response) => void response.end('{"files": ['), /is damaged JSON/],
    ['is a page of something else', () => (_, response) => void response.end('<html>log in</html>'), /has no torch/],
  ])('that %s is refused', async (_name, page, words) => {
    pages[PAGE] = page()
    expect(await failure(at(simple()))).toMatch(words)
  })
  it('that is no address is refused', async () => {
    expect(await failure(at('mirror'))).toMatch(/^ERR_INSTALL --index: 'mirror' is no http\(s\) address/)
  })
  it('may have another build of it for --trust, whose own sum is checked', async () => {
    const name = NAME.replaceAll('cp311', 'cp313')
    pages[PAGE] = asJson([entry(`/files/${name}`, sumOf(rebuilt), name)])
    pages[`/files/${name}`] = serving(rebuilt)
    expect(await failure(at(simple()))).toMatch(/has no torch/)
    const root = await at(simple(), { trust: true })
    expect(trustedFiles(realHost(), root)).toEqual([name])
    rmSync(cache(), { recursive: true })
    pages[`/files/${name}`] = serving(wheel)
    expect(await failure(at(simple(), { trust: true }))).toMatch(/has SHA-256/)
  })
  it('with another sum for the known name is refused with --trust, too', async () => {
    pages[PAGE] = asJson([entry('/x', sumOf(rebuilt))])
    expect(await failure(at(simple(), { trust: true }))).toMatch(/lists .* with SHA-256 .*, expected/)
  })
})

describe('an address for --from', () => {
  const from = (path: string, options: Given = {}) => install({ from: `${server.url}${path}`, ...options })
  it('is fetched and installed when its file is known', async () => {
    pages[`/any/${NAME}`] = serving(wheel)
    await from(`/any/${NAME}`)
    expect(readdirSync(cache())).toEqual(['2.13.0-cpu'])
  })
  it('of an unknown file needs --trust, told before anything is fetched', async () => {
    pages['/libtorch.zip'] = serving(
      makeZip(wheelEntries().map((e) => ({ ...e, name: e.name.replace('torch/', 'libtorch/') }))),
    )
    expect(await failure(from('/libtorch.zip'))).toMatch(/^ERR_INSTALL no checksum is known for libtorch\.zip/)
    expect(server.requests).toEqual([])
    const root = await from('/libtorch.zip', { trust: true })
    expect(trustedFiles(realHost(), root)).toEqual(['libtorch.zip'])
  })
  it('of no wheel and no zip is refused', async () => {
    expect(await failure(from('/whl/cpu/', { trust: true }))).toMatch(/names no \.whl or \.zip/)
    expect(await failure(from('/%2e%2e%2f..%2Fx', { trust: true }))).toMatch(/names no \.whl or \.zip/)
  })
  it('that is not there is an error in one line, without pip', async () => {
    expect(await failure(from('/torch.whl', { trust: true }))).toMatch(/^ERR_INSTALL http:.*torch\.whl: HTTP 404 $/)
    expect(said).toHaveLength(1)
  })
})

it('a signal while it unpacks ends it, and what was fetched is used the next time', async () => {
  pages[`/upstream/${NAME}`] = serving(wheel)
  const stop = new AbortController()
  const progress = { say: () => {}, status: (text: string) => void (/^unpacking/.test(text) && stop.abort()) }
  expect(await failure(install({ signal: stop.signal, progress }))).toMatch(/^ERR_ABORTED/)
  expect(readdirSync(cache())).toEqual(['2.13.0-cpu.download'])
  await install()
  expect(said[0]).toBe(`using ${NAME}, fetched before`)
  expect(server.requests).toHaveLength(1)
})

it('a signal ends it; the lock goes, the part stays for the next time', async () => {
  const stop = new AbortController()
  pages[`/upstream/${NAME}`] = serving(wheel, { stallAt: 100, etag: '"a"' })
  const work = failure(install({ signal: stop.signal, network: { quiet: 20_000 } }))
  while (server.requests.length === 0) await new Promise((done) => setTimeout(done, 5))
  await new Promise((done) => setTimeout(done, 100))
  stop.abort()
  expect(await work).toMatch(/^ERR_ABORTED/)
  expect(readdirSync(cache())).toEqual(['2.13.0-cpu.download'])
  expect(readdirSync(cache('2.13.0-cpu.download')).sort()).toEqual([`${NAME}.part`, `${NAME}.part.json`])
})
