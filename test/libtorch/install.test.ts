import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { realHost } from '../../lib/libtorch/host.js'
import { type InstallOptions, installLibtorch } from '../../lib/libtorch/install/index.js'
import { KNOWN_FILES, VERSIONS } from '../../lib/libtorch/install/known.js'
import type { Run } from '../../lib/libtorch/install/pip.js'
import { trustedFiles, tryResolveLibtorch } from '../../lib/libtorch/resolve.js'
import { makeZip, wheelEntries, type ZipEntry } from './zip.js'

let folder: string
let said: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-install-'))
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const cache = () => join(folder, 'cache/espalier/libtorch')
const host = () => realHost({ XDG_CACHE_HOME: join(folder, 'cache'), PATH: '', PIP_CONFIG_FILE: '/dev/null' })
/** Nobody listens there: each of these tests is about a file at hand or about pip. */
const files = KNOWN_FILES.map((file) => ({ ...file, url: 'http://127.0.0.1:1/torch.whl' }))

/** As on a machine that no CUDA build is known for. */
const cpuFiles = files.filter(({ variant }) => variant === 'cpu')

function install(options: Partial<InstallOptions> = {}): Promise<string> {
  const progress = { say: (line: string) => void said.push(line), status: () => {} }
  return installLibtorch({
    variant: 'cpu',
    trust: true,
    progress,
    host: host(),
    files,
    network: { tries: 1 },
    ...options,
  })
}

function wheel(entries: readonly ZipEntry[], name = 'torch.whl'): string {
  const path = join(folder, name)
  writeFileSync(path, makeZip(entries))
  return path
}

const failsWith = (code: string, words: string | RegExp) => ({
  code,
  text: expect.stringMatching(words) as unknown as string,
})
async function failure(work: Promise<unknown>): Promise<{ code: string; text: string }> {
  const error = await work.then(
    () => new Error('it went well'),
    (thrown: unknown) => thrown,
  )
  const { code, message, detail } = error as { code: string; message: string; detail?: string }
  return { code, text: `${message}\n${detail ?? ''}` }
}

describe('a wheel', () => {
  it('is unpacked to lib, include, share and version.py, and the resolver finds it', async () => {
    const root = await install({ from: wheel(wheelEntries()) })
    expect(root).toBe(join(cache(), '2.13.0-cpu'))
    expect(readdirSync(root).sort()).toEqual(['espalier-stamp.json', 'include', 'lib', 'version.py'])
    expect(readFileSync(join(root, 'lib/libc10.so'), 'utf8')).toBe('this is libc10.so')
    expect(tryResolveLibtorch(host(), { minors: ['2.13'] })).toMatchObject({ libtorch: { source: 'cache', root } })
  })
  it('leaves nothing but the finished folder', async () => {
    await install({ from: wheel(wheelEntries()) })
    expect(readdirSync(cache())).toEqual(['2.13.0-cpu'])
  })
  it('replaces what is installed when it is given with --from', async () => {
    await install({ from: wheel(wheelEntries()) })
    const root = await install({ from: wheel([...wheelEntries(), { name: 'torch/share/new', data: 'x' }]) })
    expect(existsSync(join(root, 'share/new'))).toBe(true)
  })
  it('may be the official zip', async () => {
    const entries = wheelEntries().map((entry) => ({ ...entry, name: entry.name.replace('torch/', 'libtorch/') }))
    const root = await install({ from: wheel(entries) })
    expect(existsSync(join(root, 'lib/libtorch_cpu.so'))).toBe(true)
  })
})

describe('a bad file is refused, and nothing stays behind', () => {
  const refused = async (from: string, words: RegExp, variant: 'cpu' | 'cu130' = 'cpu') => {
    expect(await failure(install({ from, variant }))).toEqual(failsWith('ERR_INSTALL', words))
    expect(readdirSync(cache())).toEqual([])
  }
  it('that does not exist', () => refused('/nowhere/torch.whl', /does not exist/))
  it('that is truncated', async () => {
    const path = wheel(wheelEntries())
    writeFileSync(path, readFileSync(path).subarray(0, 200))
    await refused(path, /can't be unpacked/)
  })
  it('that is no archive', async () => {
    const path = join(folder, 'page.whl')
    writeFileSync(path, '<html>not found</html>')
    await refused(path, /can't be unpacked/)
  })
  it('whose entry has a wrong checksum', () =>
    refused(wheel([{ name: 'torch/lib/libc10.so', data: 'x', wrongCrc: 1 }]), /wrong checksum/))
  it('whose entry would leave the folder', async () => {
    await refused(
      wheel([...wheelEntries(), { name: 'torch/lib/../../../../escaped', data: 'x' }]),
      /invalid relative path/,
    )
    expect(existsSync(join(folder, 'escaped'))).toBe(false)
    expect(existsSync(join(cache(), '../escaped'))).toBe(false)
  })
  it('whose entry is a symbolic link', () =>
    refused(wheel([...wheelEntries(), { name: 'torch/lib/l', data: '/etc/passwd', mode: 0o120777 }]), /symbolic link/))
  it('that holds no LibTorch', () => refused(wheel([{ name: 'numpy/core.so' }]), /is no LibTorch/))
  it('that holds another version', () => refused(wheel(wheelEntries('2.14.1+cpu')), /2\.14\.1/))
  it('that is a CUDA build where the CPU one is wanted, whatever its name', () =>
    refused(wheel(wheelEntries('2.13.0', ['libtorch_cuda.so'])), /CUDA build, not cpu/))
  it('that is a CPU build where a CUDA one is wanted', () =>
    refused(wheel(wheelEntries()), /CPU build, not cu130/, 'cu130'))
  it("that is a CUDA build without NVIDIA's libraries, though its sum is known", async () => {
    const from = wheel(wheelEntries('2.14.1+cu130', ['libtorch_cuda.so']))
    const sha256 = createHash('sha256').update(readFileSync(from)).digest('hex')
    const known = [{ ...files[0]!, variant: 'cu130' as const, name: 'torch.whl', sha256 }]
    const error = await failure(install({ from, variant: 'cu130', trust: false, files: known }))
    expect(error).toEqual(failsWith('ERR_INSTALL', /has no libcudart and no libcublas/))
    expect(readdirSync(cache())).toEqual([])
  })
  it("that is a CUDA build with one of NVIDIA's libraries only", () => {
    const entries = wheelEntries('2.14.1+cu130', ['libtorch_cuda.so', 'libcudart.so.13', 'libcublasLt.so.13'])
    return refused(wheel(entries), /has no libcublas$/m, 'cu130')
  })
  it('whose sum is not that of the file of this name', () =>
    refused(wheel(wheelEntries(), 'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl'), /expected 6746dbcb/))
})

describe('a file whose checksum is not known', () => {
  it('is refused, with its checksum and what to do', async () => {
    const error = await failure(install({ from: wheel(wheelEntries()), trust: false }))
    expect(error).toEqual(failsWith('ERR_INSTALL', /checksum of torch\.whl is not a known one\nsha256 [0-9a-f]{64}/))
    expect(readdirSync(cache())).toEqual([])
  })
  it('is installed on trust, which the stamp remembers', async () => {
    const root = await install({ from: wheel(wheelEntries()), trust: true })
    expect(trustedFiles(host(), root)).toEqual(['torch.whl'])
  })
  it('may be that of another patch release, as the documents state', async () => {
    await install({ from: wheel(wheelEntries('2.13.7+cpu')), trust: true })
    expect(tryResolveLibtorch(host(), { minors: ['2.13'] })).toMatchObject({ libtorch: { version: '2.13.7+cpu' } })
  })
  it('is not fetched when no file of the variant has a known one', async () => {
    const run: Run = () => Promise.reject(new Error('pip was asked'))
    const error = await failure(install({ variant: 'cu130', trust: false, run, files: cpuFiles }))
    expect(error).toEqual(failsWith('ERR_INSTALL', /no checksums are known for the cu130 build/))
  })
  it('does not take a CUDA build without the libraries of NVIDIA, as earlier versions left it, for installed', async () => {
    const older = join(cache(), `${VERSIONS.cu130}-cu130`)
    mkdirSync(older, { recursive: true })
    writeFileSync(join(older, 'espalier-stamp.json'), '{}')
    const run: Run = () => Promise.reject(new Error('pip was asked'))
    const error = await failure(install({ variant: 'cu130', trust: false, run, files: cpuFiles }))
    expect(error).toEqual(failsWith('ERR_INSTALL', /no checksums are known for the cu130 build/))
  })
  it('is not trusted because it comes from pip', async () => {
    const run: Run = async (_command, args) => {
      writeFileSync(join(args[args.indexOf('--dest') + 1]!, 'torch.whl'), makeZip(wheelEntries()))
      return { status: 0, output: '' }
    }
    expect(await failure(install({ run, trust: false }))).toEqual(failsWith('ERR_INSTALL', /not a known one/))
  })
})

it('a CUDA build goes one folder deeper, with the nvidia libraries beside it', async () => {
  const run: Run = async (_command, args) => {
    const to = args[args.indexOf('--dest') + 1]!
    writeFileSync(join(to, 'torch.whl'), makeZip(wheelEntries('2.14.1+cu130', ['libtorch_cuda.so'])))
    writeFileSync(
      join(to, 'nvidia_cublas.whl'),
      makeZip([{ name: 'nvidia/cu13/lib/libcublas.so.13', data: 'x' }, { name: 'nvidia/cu13/include/cublas.h' }]),
    )
    writeFileSync(
      join(to, 'nvidia_cuda_runtime.whl'),
      makeZip([{ name: 'nvidia/cu13/lib/libcudart.so.13', data: 'x' }]),
    )
    return { status: 0, output: '' }
  }
  const root = await install({ variant: 'cu130', run })
  expect(existsSync(join(root, 'torch/lib/libtorch_cuda.so'))).toBe(true)
  expect(existsSync(join(root, 'nvidia/cu13/lib/libcublas.so.13'))).toBe(true)
  expect(existsSync(join(root, 'nvidia/cu13/include'))).toBe(false)
  const found = tryResolveLibtorch(host(), { minors: ['2.13', '2.14'] })
  expect(found).toMatchObject({ libtorch: { root: join(root, 'torch'), variant: 'cu130' } })
})

it('a CUDA build may be an official zip, which has the libraries in its own folder', async () => {
  const libraries = ['libtorch_cuda.so', 'libcudart-1a2b3c4d.so.13', 'libcublas.so.13']
  const entries = wheelEntries('2.14.1+cu130', libraries).map((entry) => ({
    ...entry,
    name: entry.name.replace('torch/', 'libtorch/'),
  }))
  const root = await install({ variant: 'cu130', from: wheel(entries, 'libtorch.zip') })
  expect(existsSync(join(root, 'torch/lib/libcublas.so.13'))).toBe(true)
})

describe('the download with pip, where the direct one fails', () => {
  /** A pip that answers each try in turn, and the arguments that it was given. */
  function pip(...answers: ('wheel' | 'none' | 'no pip' | 'no python')[]) {
    const calls: (readonly string[])[] = []
    const run: Run = async (command, args) => {
      expect(command).toBe('python3')
      calls.push(args)
      const answer = answers[calls.length - 1]
      if (answer === 'no python') return { status: null, output: 'spawn python3 ENOENT' }
      if (answer === 'no pip') return { status: 1, output: '/usr/bin/python3: No module named pip' }
      if (answer !== 'wheel') return { status: 1, output: 'ERROR: No matching distribution found' }
      writeFileSync(join(args[args.indexOf('--dest') + 1]!, 'torch.whl'), makeZip(wheelEntries()))
      return { status: 0, output: '' }
    }
    return { calls, run }
  }

  it("asks upstream's CPU index first, once and briefly", async () => {
    const { calls, run } = pip('wheel')
    await install({ run })
    expect(calls).toHaveLength(1)
    expect(calls[0]).toEqual(expect.arrayContaining(['torch==2.13.0+cpu', '--no-deps', '--only-binary=:all:']))
    expect(calls[0]!.join(' ')).toContain('--index-url https://download.pytorch.org/whl/cpu --retries=0 --timeout=15')
    expect(calls[0]!.join(' ')).toContain('--platform manylinux_2_28_x86_64 --python-version=3.11')
  })
  it("then pip's own configuration", async () => {
    const { calls, run } = pip('none', 'wheel')
    await install({ run })
    expect(calls).toHaveLength(2)
    expect(calls[1]!.join(' ')).not.toMatch(/index-url|retries|timeout/)
  })
  it('fails with the words of both tries', async () => {
    const { run } = pip('none', 'none')
    const error = await failure(install({ run }))
    expect(error).toEqual(
      failsWith('ERR_INSTALL', /No matching distribution found[\s\S]*No matching distribution found/),
    )
    expect(existsSync(join(cache(), '2.13.0-cpu'))).toBe(false)
  })
  it.each(['no python', 'no pip'] as const)('says why the direct one failed when there is %s', async (answer) => {
    const { calls, run } = pip(answer)
    const error = await failure(install({ run }))
    expect(error).toEqual(
      failsWith('ERR_INSTALL', /^LibTorch 2\.13\.0 \(cpu\) can't be fetched: 127.*ECONNREFUSED.*\n$/),
    )
    expect(calls).toHaveLength(1)
    expect(said.slice(-2)).toEqual([expect.stringMatching(/with pip$/), '  pip is not there'])
  })
  it.each(['no python', 'no pip'] as const)(
    'says what to install when there is %s and only pip can',
    async (answer) => {
      const { calls, run } = pip(answer)
      const error = await failure(install({ run, variant: 'cu130', files: cpuFiles }))
      expect(error).toEqual(failsWith('ERR_INSTALL', /pip is needed to fetch LibTorch's cu130 build/))
      expect(calls).toHaveLength(1)
    },
  )
  it('is not repeated for what is there', async () => {
    await install({ run: pip('wheel').run })
    const { calls, run } = pip('wheel')
    await install({ run })
    expect(calls).toHaveLength(0)
  })
})

describe('the CUDA build', () => {
  it('is torch and the libraries of NVIDIA, each with its address, sum and size', () => {
    const known = KNOWN_FILES.filter(({ variant }) => variant === 'cu130')
    expect(known.map(({ name }) => name.split('-')[0])).toEqual(expect.arrayContaining(['torch', 'nvidia_cublas']))
    for (const { name, url, sha256, bytes } of known) {
      expect(new URL(url).pathname.split('/').at(-1)).toBe(name)
      expect(sha256).toMatch(/^[0-9a-f]{64}$/)
      expect(bytes).toBeGreaterThan(100_000)
    }
    expect(new Set(known.map(({ sha256 }) => sha256)).size).toBe(known.length)
  })
  it('is asked of pip file by file, and nothing that these depend on', async () => {
    let asked: readonly string[] = []
    const run: Run = async (_command, args) => {
      asked = args
      return { status: 1, output: 'ERROR: No matching distribution found' }
    }
    await failure(install({ variant: 'cu130', trust: false, run }))
    const { length } = KNOWN_FILES.filter(({ variant }) => variant === 'cu130')
    expect(asked.filter((arg) => arg.includes('=='))).toHaveLength(length)
    expect(asked).toEqual(expect.arrayContaining(['torch==2.14.1', '--no-deps', 'manylinux_2_27_x86_64', '--abi=none']))
  })
})

describe('the lock', () => {
  const lock = () => join(cache(), '2.13.0-cpu.lock')
  const hold = (pid: number, host = hostname()) => {
    mkdirSync(cache(), { recursive: true })
    writeFileSync(lock(), JSON.stringify({ pid, host }))
  }
  const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid

  it('of a dead process is taken over', async () => {
    hold(deadPid())
    await install({ from: wheel(wheelEntries()), patience: 0 })
    expect(existsSync(lock())).toBe(false)
  })
  it('of a living process is respected', async () => {
    hold(process.ppid)
    const error = await failure(install({ from: wheel(wheelEntries()), patience: 0 }))
    expect(error).toEqual(failsWith('ERR_LOCKED', new RegExp(`Process ${process.ppid} holds`)))
    expect(existsSync(lock())).toBe(true)
  })
  it('of a process of another machine is respected', async () => {
    hold(deadPid(), 'another-machine')
    expect(await failure(install({ from: wheel(wheelEntries()), patience: 0 }))).toEqual(
      failsWith('ERR_LOCKED', /holds/),
    )
  })
  it('that nobody has touched for minutes is taken over', async () => {
    hold(process.ppid)
    const longAgo = new Date(Date.now() - 600_000)
    utimesSync(lock(), longAgo, longAgo)
    await install({ from: wheel(wheelEntries()), patience: 0 })
  })
  it('lets the second of two installs use what the first has made', async () => {
    let downloads = 0
    const run: Run = async (_command, args) => {
      downloads++
      writeFileSync(join(args[args.indexOf('--dest') + 1]!, 'torch.whl'), makeZip(wheelEntries()))
      return { status: 0, output: '' }
    }
    const roots = await Promise.all([install({ run }), install({ run })])
    expect(roots[0]).toBe(roots[1])
    expect(downloads).toBe(1)
  })
})

it('a cache whose parent is a file is an error with a code', async () => {
  writeFileSync(join(folder, 'cache'), 'a file')
  expect(await failure(install({ from: wheel(wheelEntries()) }))).toEqual(
    failsWith('ERR_INSTALL', /can't be installed/),
  )
})
