import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LIBTORCH_MINORS, LIBTORCH_VERSION, minorOf, SYSTEM_FLOOR } from '../../lib/libtorch/version.js'
import { fetchRuntime, tryRuntime } from '../../scripts/checks/runtimes.mjs'
import { ALLOW_INCOMPLETE } from '../../scripts/release/prebuilt.mjs'
import { compiledIn, nodeOnlyPath, npmCli, ROOT } from './tools.js'

/** Of these minors the machine has a LibTorch to build for: of the default one always. */
let minors: string[]
let binaries: string[]
/** What prebuild said. */
let told: string

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

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-package-'))
  told = await shown(process.execPath, [join(ROOT, 'scripts/release/prebuild.mjs')])
  minors = LIBTORCH_MINORS.filter((minor) => existsSync(join(ROOT, `prebuilds/linux-x64/libespalier_core-${minor}.so`)))
  const cuda = readdirSync(join(ROOT, 'prebuilds/linux-x64')).filter((name) => name.startsWith('libespalier_cuda-'))
  binaries = [
    'espalier.glibc.node',
    ...minors.flatMap((minor) => ['core', 'ops'].map((part) => `libespalier_${part}-${minor}.so`)),
    ...cuda,
  ]
  const npm = (cwd: string, ...args: string[]) =>
    execFileSync(process.execPath, [npmCli(), ...args], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      // Not every machine has all LibTorchs and nvcc: what is missing is said below.
      env: { ...process.env, [ALLOW_INCOMPLETE]: '1' },
    })

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
    // The demo is for a clone: it has a build step. So is a trace of a model that is there as a script.
    const left = ['demo.ts', 'curve.ts', 'data/resnet8.trace.pt']
    const examples = readdirSync(join(ROOT, 'examples'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
      .filter((name) => !left.includes(relative('examples', name)))
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
      ...examples,
      'prebuilds/SHA256SUMS',
      ...binaries.map((name) => `prebuilds/linux-x64/${name}`),
      ...sources.flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]),
    ]
    expect(packed.files.map(({ path }) => path).sort()).toEqual(expected.sort())
  })
  it('is under 10 MB', () => {
    expect(packed.size).toBeLessThan(10e6)
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
    for (const name of binaries) {
      const bytes = readFileSync(join(installed, 'prebuilds/linux-x64', name), 'latin1')
      for (const path of [ROOT, homedir()]) expect(bytes.includes(path), `${name}: ${path}`).toBe(false)
    }
  })
})

describe('the prebuilt binaries', () => {
  const symbols = (name: string, ...args: string[]) =>
    execFileSync('objdump', ['-T', ...args, join(installed, 'prebuilds/linux-x64', name)], { encoding: 'utf8' })

  it('are there for the LibTorch that is installed by default, and for CUDA only with 2.14', () => {
    expect(minors).toContain(minorOf(LIBTORCH_VERSION))
    for (const minor of LIBTORCH_MINORS.filter((each) => !minors.includes(each))) {
      expect(told).toContain(`not made: all for LibTorch ${minor}`)
      console.log(`skipped: the binaries for LibTorch ${minor} are not checked, there is none to build with`)
    }
    expect(binaries.filter((name) => name.includes('_cuda-') && !name.endsWith('-2.14.so'))).toEqual([])
  })
  it('are made without compiling anything twice', () => {
    const objects = compiledIn(told)
    expect(objects).toEqual([...new Set(objects)])
    // Set-up has built those before.
    expect(objects.filter((object) => object.startsWith(`${minorOf(LIBTORCH_VERSION)} `))).toEqual([])
  })
  it.each(Object.entries(SYSTEM_FLOOR))('need %s_%s, as the documents state, and nothing newer', (library, floor) => {
    const versions = binaries.flatMap((name) => [...symbols(name).matchAll(new RegExp(`\\b${library}_([\\d.]+)`, 'g'))])
    const newest = versions
      .map(([, version]) => version!)
      .sort(byVersion)
      .at(-1)
    expect(newest).toBe(floor)
    expect(readFileSync(join(ROOT, 'docs/reference/install.md'), 'utf8')).toContain(
      library === 'GLIBC' ? `glibc ${floor}` : `${library}_${floor}`,
    )
  })
  it('export the two N-API symbols and nothing else; the operators nothing at all', () => {
    for (const name of binaries) {
      const exported = symbols(name)
        .split('\n')
        .filter((line) => / g +D[FO] /.test(line) && !line.includes('*UND*'))
        .map((line) => line.trim().split(/\s+/).at(-1))
      const ofNode = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
      expect(exported.sort(), name).toEqual(/_(ops|cuda)-/.test(name) ? [] : ofNode)
    }
  })
  it('have no run path', () => {
    for (const name of binaries) {
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
    expect(stdout).toContain(`${binaries.length} files are those of the release`)
    for (const minor of minors)
      expect(stdout).toMatch(new RegExp(`^core ${minor}  .*libespalier_core-${minor}\\.so$`, 'm'))
    expect(stdout).toMatch(/^load {7}LibTorch 2\.1[34]\.\d+ answers/m)
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
  it.each([
    ['nodenext', 'nodenext', ['program.ts', 'program.cts', 'required.cts']],
    ['node16', 'node16', ['program.ts', 'program.cts']],
    ['esnext', 'bundler', ['program.ts']],
  ])(
    'strict TypeScript programs compile against it as module %s, resolved by %s: %j',
    (module, resolution, programs) => {
      for (const name of programs) copyFileSync(join(ROOT, 'test/package/consumer', name), join(consumer(), name))
      expect(compile(consumer(), programs, module, resolution)).toBe('')
    },
  )
  it('and one that misuses it does not', () => {
    const program = "import { EspalierError } from 'espalier'\nnew EspalierError('ERR_NO_SUCH', 'x')\n"
    writeFileSync(join(consumer(), 'misuse.ts'), program)
    expect(compile(consumer(), ['misuse.ts'], 'nodenext', 'nodenext')).toContain('ERR_NO_SUCH')
  })
  it.each(['node20', 'node22', 'node24'])('%s takes it with import and with require()', (name) => {
    const { binary, reason } = fetchRuntime(name)
    // Elsewhere there may be no network; CI has one.
    if (binary === undefined && !process.env.CI) return console.log(`skipped: ${reason}`)
    expect(reason).toBe(undefined)
    expect(tryRuntime(name, binary!, consumer(), bareEnv)).toEqual({})
  })
  it.each(['esm', 'cjs'])('bundled (%s), the error says that it must be external, and then it works', (format) => {
    const program =
      "import { loadLibtorch } from 'espalier'\ntry { console.log(loadLibtorch().version) } catch (e) { console.log(e.code, e.hint) }\n"
    writeFileSync(join(consumer(), 'application.mjs'), program)
    const bundle = (...options: string[]) => {
      const target = `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`
      const esbuild = [
        join(ROOT, 'node_modules/esbuild-wasm/bin/esbuild'),
        'application.mjs',
        '--bundle',
        '--platform=node',
      ]
      execFileSync(
        process.execPath,
        [...esbuild, `--format=${format}`, `--outfile=${target}`, '--log-level=error', ...options],
        {
          cwd: consumer(),
        },
      )
      return runNode(target)
    }
    expect(bundle().stdout).toMatch(/^ERR_NO_PREBUILD Mark espalier as external \(esbuild: --external:espalier;/)
    expect(bundle('--external:espalier').stdout).toMatch(/^\d+\.\d+\.\d+/)
  })
  it('takes little room beside its dependencies', () => {
    const size = readdirSync(installed, { recursive: true, encoding: 'utf8' })
      .map((name) => statSync(join(installed, name)))
      .reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0)
    expect(size).toBeLessThan(20e6)
  })
})

/** Runs a command, shows what it says, and gives it back. */
function shown(command: string, args: string[]): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
      process.stdout.write(part)
    })
    child.on('error', fail)
    child.on('close', (status) =>
      status === 0 ? done(text) : fail(new Error(`${args.join(' ')} ended with ${status}`)),
    )
  })
}

/** What tsc finds wrong with programs, by the strict options of consumer/tsconfig.json. */
function compile(folder: string, programs: readonly string[], module: string, resolution: string): string {
  const { compilerOptions } = JSON.parse(readFileSync(join(ROOT, 'test/package/consumer/tsconfig.json'), 'utf8')) as {
    compilerOptions: object
  }
  const typeRoots = [join(ROOT, 'node_modules/@types')]
  const options = { ...compilerOptions, module, moduleResolution: resolution, typeRoots }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: programs }))
  const tsc = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.']
  return spawnSync(process.execPath, tsc, { cwd: folder, encoding: 'utf8' }).stdout
}

function byVersion(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  return left![0]! - right![0]! || left![1]! - right![1]! || (left![2] ?? 0) - (right![2] ?? 0)
}
