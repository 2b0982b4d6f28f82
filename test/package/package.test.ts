import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GLIBC_FLOOR } from '../../lib/libtorch/version.js'
import { nodeOnlyPath, npmCli, ROOT } from './tools.js'

const BINARIES = ['espalier.glibc.node', 'libespalier_core-2.13.so', 'libespalier_ops-2.13.so']

interface Packed {
  filename: string
  size: number
  files: { path: string }[]
}

let folder: string
let installed: string
let packed: Packed
/** `env -i`: node on PATH and a cache that has LibTorch; nothing else. */
let bareEnv: NodeJS.ProcessEnv

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-package-'))
  execFileSync(process.execPath, [join(ROOT, 'scripts/release/prebuild.mjs')], { cwd: ROOT, stdio: 'inherit' })
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync(process.execPath, [npmCli(), ...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

  ;[packed] = JSON.parse(npm(ROOT, 'pack', '--json', '--silent', '--pack-destination', folder)) as [Packed]
  const consumer = join(folder, 'consumer')
  mkdirSync(consumer)
  writeFileSync(join(consumer, 'package.json'), '{"type":"module","private":true}')
  bareEnv = {
    PATH: nodeOnlyPath(folder),
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  }
  if (process.env.LIBTORCH !== undefined) bareEnv.LIBTORCH = process.env.LIBTORCH
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, packed.filename)]
  execFileSync(process.execPath, [npmCli(), ...install], {
    cwd: consumer,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH: bareEnv.PATH },
  })
  installed = join(consumer, 'node_modules/espalier')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the tarball', () => {
  it('has these files and no others', () => {
    const sources = readdirSync(join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.slice(0, -'.ts'.length))
    const expected = [
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'NOTICE',
      'README.md',
      'package.json',
      ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
        .filter((name) => statSync(join(ROOT, 'docs', name)).isFile())
        .map((name) => `docs/${name}`),
      'prebuilds/SHA256SUMS',
      ...BINARIES.map((name) => `prebuilds/linux-x64/${name}`),
      ...sources.flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]),
    ]
    expect(packed.files.map(({ path }) => path).sort()).toEqual(expected.sort())
  })
  it('is under 2 MB', () => {
    expect(packed.size).toBeLessThan(2e6)
  })
  it('is clean by publint', async () => {
    const tarball = readFileSync(join(folder, packed.filename))
    const { messages } = await publint({ pack: { tarball: tarball.buffer as ArrayBuffer }, strict: true })
    expect(messages).toEqual([])
  })
  it('has types that Node finds from each of its entries, also with require()', () => {
    const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js')
    const rules = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm']
    const { status, stdout } = spawnSync(process.execPath, [attw, join(folder, packed.filename), ...rules], {
      encoding: 'utf8',
    })
    expect(status, stdout).toBe(0)
    for (const entry of ['espalier', 'espalier/torch', 'espalier/analysis']) expect(stdout).toContain(`"${entry}"`)
  })
  it('holds no path of the machine that built it', () => {
    for (const name of BINARIES) {
      const bytes = readFileSync(join(installed, 'prebuilds/linux-x64', name), 'latin1')
      for (const path of [ROOT, homedir()]) expect(bytes.includes(path), `${name}: ${path}`).toBe(false)
    }
  })
})

describe('the prebuilt binaries', () => {
  const symbols = (name: string, ...args: string[]) =>
    execFileSync('objdump', ['-T', ...args, join(installed, 'prebuilds/linux-x64', name)], { encoding: 'utf8' })

  it('need the glibc that the README states', () => {
    const versions = BINARIES.flatMap((name) => [...symbols(name).matchAll(/GLIBC_(\d+\.\d+)/g)]).map(([, version]) =>
      Number(version!.split('.')[1]),
    )
    expect(`2.${Math.max(...versions)}`).toBe(GLIBC_FLOOR)
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).toContain(`glibc ${GLIBC_FLOOR}`)
  })
  it('export the two N-API symbols and nothing else; the operators nothing at all', () => {
    for (const name of BINARIES) {
      const exported = symbols(name)
        .split('\n')
        .filter((line) => / g +D[FO] /.test(line) && !line.includes('*UND*'))
        .map((line) => line.trim().split(/\s+/).at(-1))
      const ofNode = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
      expect(exported.sort(), name).toEqual(name.includes('_ops-') ? [] : ofNode)
    }
  })
  it('have no run path', () => {
    for (const name of BINARIES) {
      const header = execFileSync('objdump', ['-p', join(installed, 'prebuilds/linux-x64', name)], { encoding: 'utf8' })
      expect(header).not.toMatch(/RPATH|RUNPATH/)
    }
  })
})

describe('installed into an empty folder, with only node on PATH', () => {
  const consumer = () => join(folder, 'consumer')
  const runNode = (...args: string[]) =>
    spawnSync(process.execPath, args, { cwd: consumer(), env: bareEnv, encoding: 'utf8' })

  it('a script loads a model and runs it', () => {
    copyFileSync(join(ROOT, 'test/package/consumer/forward.mjs'), join(consumer(), 'forward.mjs'))
    const { status, stdout, stderr } = runNode('forward.mjs', join(ROOT, 'examples/data/resnet8.script.pt'))
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ shape: [2, 10], finite: true, equal: true })
  })
  it('the command line works', () => {
    const cli = join(installed, 'dist/cli/main.js')
    expect(runNode(cli, '--version').stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    const { status, stdout } = runNode(cli, 'doctor')
    expect(stdout).toContain('3 files are those of the release')
    expect(stdout).toMatch(/load {7}LibTorch 2\.13\.0 answers/)
    expect(status).toBe(0)
  })
  it('the doctor sees a binary that is not that of the release', () => {
    const core = join(installed, 'prebuilds/linux-x64/libespalier_core-2.13.so')
    const original = readFileSync(core)
    appendFileSync(core, 'x')
    const { status, stdout } = runNode(join(installed, 'dist/cli/main.js'), 'doctor')
    writeFileSync(core, original)
    expect(stdout).toContain('not those of the release: linux-x64/libespalier_core-2.13.so')
    expect(status).toBe(6)
  })
  it('without LibTorch the error lists the places and the cures', () => {
    const program = "import('espalier').then((e) => e.loadLibtorch()).catch((e) => console.log(e.code, e.hint))"
    const env = { PATH: bareEnv.PATH, XDG_CACHE_HOME: join(folder, 'no-cache') }
    const { stdout } = spawnSync(process.execPath, ['-e', program], { cwd: consumer(), env, encoding: 'utf8' })
    expect(stdout).toMatch(/^ERR_LIBTORCH_NOT_FOUND npx espalier install-libtorch/)
  })
  it('a strict TypeScript program compiles against it', () => {
    const project = join(ROOT, 'test/package/consumer')
    for (const name of ['program.ts', 'tsconfig.json']) copyFileSync(join(project, name), join(consumer(), name))
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types')]
    const tsc = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.', ...types]
    const { status, stdout } = spawnSync(process.execPath, tsc, { cwd: consumer(), encoding: 'utf8' })
    expect(stdout).toBe('')
    expect(status).toBe(0)
  })
  it('and one that misuses it does not', () => {
    writeFileSync(
      join(consumer(), 'program.ts'),
      "import { EspalierError } from 'espalier'\nnew EspalierError('ERR_NO_SUCH', 'x')\n",
    )
    const types = ['--typeRoots', join(ROOT, 'node_modules/@types')]
    const tsc = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.', ...types]
    const { stdout } = spawnSync(process.execPath, tsc, { cwd: consumer(), encoding: 'utf8' })
    expect(stdout).toContain('ERR_NO_SUCH')
  })
  it('takes little room beside its dependencies', () => {
    const size = readdirSync(installed, { recursive: true, encoding: 'utf8' })
      .map((name) => statSync(join(installed, name)))
      .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0)
    expect(size).toBeLessThan(8e6)
  })
})
