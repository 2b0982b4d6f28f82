import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LIBTORCH_VERSION } from '../../lib/libtorch/version.js'
import { libtorchFiles } from './fake-host.js'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))
const url = (path: string) => pathToFileURL(join(DIST, path)).href

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-load-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Runs a program in a fresh process; the JSON that it passes to `report` comes back. */
function inChild(program: string, env: NodeJS.ProcessEnv = {}): unknown {
  const script = `const report = (x) => process.stdout.write(JSON.stringify(x))\n${program}`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

const MAPS = `
import { readFileSync } from 'node:fs'
const mapped = () => [...new Set(readFileSync('/proc/self/maps', 'utf8').match(/\\/\\S*(?:libtorch\\w*|libgomp|espalier)\\S*\\.(?:so|node)\\S*/g))]
`
const RUNTIME = `import { loadRuntime, binding } from '${url('libtorch/index.js')}'\n`
const CODE_OF = `
const codeOf = (f) => { try { f(); return 'no error' } catch (e) { return [e.name, e.code, String(e.detail)] } }
`

it('importing the package loads nothing native', () => {
  expect(inChild(`${MAPS} await import('${url('index.js')}'); report(mapped())`)).toEqual([])
})

it('the first use loads LibTorch and the core once, with the libgomp that LibTorch brings', () => {
  const { root, core, maps, same, version } = inChild(`${MAPS}${RUNTIME}
    const { libtorch, core } = loadRuntime()
    const version = binding().torchVersion()
    report({ root: libtorch.root, core, maps: mapped(), same: binding() === binding(), version })`) as {
    root: string
    core: string
    maps: string[]
    same: boolean
    version: string
  }
  expect(version).toBe(LIBTORCH_VERSION)
  expect(same).toBe(true)
  expect(maps).toContain(join(root, 'lib/libtorch_cpu.so'))
  expect(maps).toContain(core)
  expect(maps.filter((path) => path.includes('libgomp'))).toEqual([join(root, 'lib/libgomp.so.1')])
})

it('works in a worker, alone and beside the main thread', () => {
  const worker = `
    const { Worker } = await import('node:worker_threads')
    // Workers take over --input-type=module.
    const program = "import { parentPort } from 'node:worker_threads';" +
      "import { binding } from '${url('libtorch/index.js')}';" +
      "parentPort.postMessage(binding().torchVersion())"
    const inWorker = () => new Promise((done, fail) => new Worker(program, { eval: true }).on('message', done).on('error', fail))
  `
  const versions = inChild(`${RUNTIME}${worker}
    const before = await inWorker()
    const main = binding().torchVersion()
    report([before, main, await inWorker()])`)
  expect(versions).toEqual([LIBTORCH_VERSION, LIBTORCH_VERSION, LIBTORCH_VERSION])
})

it('leaves no variable behind in the environment', () => {
  const variable = 'process.env.OMP_WAIT_POLICY ?? null'
  const program = `${RUNTIME} const before = ${variable}; binding(); report([before, ${variable}])`
  const { OMP_WAIT_POLICY: _, ...env } = process.env
  expect(inChild(program, { ...env, OMP_WAIT_POLICY: undefined })).toEqual([null, null])
  expect(inChild(program, { OMP_WAIT_POLICY: 'ACTIVE' })).toEqual(['ACTIVE', 'ACTIVE'])
})

describe('errors that leave the process alive', () => {
  function fakeLibtorch(name: string, version: string, content: string): string {
    const root = join(folder, name)
    for (const path of Object.keys(libtorchFiles(root, version))) {
      mkdirSync(join(path, '..'), { recursive: true })
      writeFileSync(path, path.endsWith('.py') ? libtorchFiles(root, version)[path]! : content)
    }
    return root
  }
  const load = (env: NodeJS.ProcessEnv) => inChild(`${RUNTIME}${CODE_OF} report(codeOf(binding))`, env) as string[]

  it('no LibTorch anywhere', () => {
    const env = { LIBTORCH: undefined, VIRTUAL_ENV: undefined, XDG_CACHE_HOME: join(folder, 'empty'), PATH: '' }
    expect(load(env).slice(0, 2)).toEqual(['EspalierError', 'ERR_LIBTORCH_NOT_FOUND'])
  })
  it('LIBTORCH of another version', () => {
    const root = fakeLibtorch('other', '2.12.0+cpu', '')
    expect(load({ LIBTORCH: root }).slice(0, 2)).toEqual(['EspalierError', 'ERR_LIBTORCH_VERSION'])
  })
  it('LIBTORCH whose libraries are no libraries', () => {
    const root = fakeLibtorch('text', '2.13.0+cpu', 'this is text')
    const [name, code, detail] = load({ LIBTORCH: root })
    expect([name, code]).toEqual(['EspalierError', 'ERR_LIBTORCH_LOAD'])
    expect(detail).toContain(join(root, 'lib/libtorch.so'))
  })
  it('another LibTorch than the one that is loaded', () => {
    const codes = inChild(`${RUNTIME}${CODE_OF}
      const { libtorch } = loadRuntime()
      report([codeOf(() => loadRuntime({ libtorch: libtorch.lib })), codeOf(() => loadRuntime({ libtorch: '/other' }))[1]])`)
    expect(codes).toEqual(['no error', 'ERR_INVALID_ARGUMENT'])
  })
})
