import { describe, expect, it } from 'vitest'
import { EspalierError } from '../../lib/base/errors.js'
import { formatAttempts, resolveLibtorch, tryResolveLibtorch } from '../../lib/libtorch/resolve.js'
import { type FakeMachine, fakeHost, libtorchFiles } from './fake-host.js'

const CACHE = '/home/user/.cache/espalier/libtorch'
const cached = (name: string, version: string, at = '') => ({
  ...libtorchFiles(`${CACHE}/${name}${at}`, version),
  [`${CACHE}/${name}/espalier-stamp.json`]: '{}',
})

/** What a CUDA build needs beside it. */
const NVIDIA = Object.fromEntries(
  ['libcudart.so.13', 'libcublas.so.13'].map((name) => [`${CACHE}/2.13.0-cu130/nvidia/cu13/lib/${name}`, '']),
)

function resolve(machine: FakeMachine, libtorch?: string) {
  return resolveLibtorch(fakeHost(machine), { libtorch, minors: ['2.13'] })
}

function failure(machine: FakeMachine, libtorch?: string): EspalierError {
  const result = tryResolveLibtorch(fakeHost(machine), { libtorch, minors: ['2.13'] })
  if (!('error' in result)) throw new Error(`resolved ${result.libtorch.root}`)
  return result.error
}

describe('order', () => {
  const option = libtorchFiles('/option', '2.13.0+cpu')
  const variable = libtorchFiles('/variable', '2.13.0+cpu')
  const cache = cached('2.13.0-cpu', '2.13.0+cpu')
  const environment = libtorchFiles('/venv/torch', '2.13.0+cpu')
  const python = libtorchFiles('/site/torch', '2.13.0+cpu')
  const system = libtorchFiles('/opt/libtorch', '2.13.0+cpu')
  const everything: FakeMachine = {
    env: { LIBTORCH: '/variable', VIRTUAL_ENV: '/venv' },
    files: { ...option, ...variable, ...cache, ...environment, ...python, ...system },
    commands: { '/venv/bin/python': '/venv/torch\n', python3: '/site/torch\n' },
  }
  const without = (...gone: Record<string, string>[]): FakeMachine => {
    const names = new Set(gone.flatMap((files) => Object.keys(files)))
    const files = Object.fromEntries(Object.entries(everything.files!).filter(([name]) => !names.has(name)))
    return { ...everything, env: { VIRTUAL_ENV: '/venv' }, files }
  }

  it('takes the option first', () => {
    expect(resolve(everything, '/option')).toMatchObject({ source: 'option', root: '/option', lib: '/option/lib' })
  })
  it('then LIBTORCH', () => {
    expect(resolve(everything)).toMatchObject({ source: 'LIBTORCH', root: '/variable' })
  })
  it('then the cache', () => {
    expect(resolve(without())).toMatchObject({ source: 'cache', root: `${CACHE}/2.13.0-cpu` })
  })
  it("then the virtual environment's torch", () => {
    expect(resolve(without(cache))).toMatchObject({ source: 'python', root: '/venv/torch' })
  })
  it("then python3's torch", () => {
    expect(resolve(without(cache, environment))).toMatchObject({ source: 'python', root: '/site/torch' })
  })
  it('then system folders', () => {
    expect(resolve(without(cache, environment, python))).toMatchObject({ source: 'system', root: '/opt/libtorch' })
  })
  it('asks no Python when something before it was taken', () => {
    const host = fakeHost(without())
    resolveLibtorch(host, { minors: ['2.13'] })
    expect(host.ran).toEqual([])
  })
})

describe('what counts as LibTorch', () => {
  it('is found by its lib folder too', () => {
    const files = libtorchFiles('/x', '2.13.0+cpu')
    expect(resolve({ files, env: { LIBTORCH: '/x/lib' } })).toMatchObject({ root: '/x', lib: '/x/lib' })
  })
  it('may be named by a relative path', () => {
    const root = `${process.cwd()}/some/libtorch`
    const machine = { files: libtorchFiles(root, '2.13.0+cpu') }
    expect(resolve(machine, 'some/libtorch').lib).toBe(`${root}/lib`)
    expect(resolve({ ...machine, env: { LIBTORCH: './some/libtorch/' } }).lib).toBe(`${root}/lib`)
  })
  it('states its version in version.py, build-version or version.h', () => {
    const libraries = { '/x/lib/libtorch.so': '', '/x/lib/libtorch_cpu.so': '', '/x/lib/libc10.so': '' }
    const versions = [
      { '/x/version.py': "__version__ = '2.13.0+cpu'" },
      { '/x/build-version': '2.13.0+cpu\n' },
      { '/x/include/torch/version.h': '#define TORCH_VERSION "2.13.0"\n' },
    ]
    const found = versions.map((files) => resolve({ files: { ...libraries, ...files } }, '/x').version)
    expect(found).toEqual(['2.13.0+cpu', '2.13.0+cpu', '2.13.0'])
  })
  it('is a CUDA build when it holds libtorch_cuda.so, whatever the version says', () => {
    const variant = (version: string) =>
      resolve({ files: libtorchFiles('/x', version, ['libtorch_cuda.so']) }, '/x').variant
    expect([variant('2.13.0+cu130'), variant('2.13.0')]).toEqual(['cu130', 'cuda'])
    expect(resolve({ files: libtorchFiles('/x', '2.13.0') }, '/x').variant).toBe('cpu')
  })
  it('may have another patch version of the same minor', () => {
    expect(resolve({ files: libtorchFiles('/x', '2.13.4+cpu') }, '/x').version).toBe('2.13.4+cpu')
  })
  it('of Debian has its libraries in the multiarch folder', () => {
    const lib = '/usr/lib/x86_64-linux-gnu'
    const files = {
      [`${lib}/libtorch.so`]: '',
      [`${lib}/libtorch_cpu.so`]: '',
      [`${lib}/libc10.so`]: '',
      '/usr/include/torch/version.h': '#define TORCH_VERSION "2.13.0"\n',
    }
    expect(resolve({ files })).toMatchObject({ source: 'system', root: '/usr', lib })
  })
})

describe('the cache', () => {
  it('follows XDG_CACHE_HOME', () => {
    const files = { ...libtorchFiles('/c/espalier/libtorch/2.13.0-cpu', '2.13.0+cpu') }
    files['/c/espalier/libtorch/2.13.0-cpu/espalier-stamp.json'] = '{}'
    expect(resolve({ files, env: { XDG_CACHE_HOME: '/c' } }).root).toBe('/c/espalier/libtorch/2.13.0-cpu')
  })
  it('is in the home when XDG_CACHE_HOME is relative, as its specification says', () => {
    expect(resolve({ files: cached('2.13.0-cpu', '2.13.0+cpu'), env: { XDG_CACHE_HOME: 'c' } }).root).toContain(CACHE)
  })
  it('passes over a folder without a stamp: it is unfinished', () => {
    const error = failure({ files: libtorchFiles(`${CACHE}/2.13.0-cpu`, '2.13.0+cpu') })
    expect(error.code).toBe('ERR_LIBTORCH_NOT_FOUND')
    expect(error.detail).toContain('2.13.0-cpu: not installed completely (no stamp)')
  })
  it('prefers the newest version, and of one version the CUDA build', () => {
    const files = {
      ...cached('2.13.0-cpu', '2.13.0+cpu'),
      ...cached('2.13.0-cu130', '2.13.0+cu130', '/torch'),
      ...NVIDIA,
      ...cached('2.13.10-cpu', '2.13.10+cpu'),
    }
    expect(resolve({ files }).version).toBe('2.13.10+cpu')
    for (const name of Object.keys(files)) if (name.includes('2.13.10')) delete files[name]
    expect(resolve({ files }).root).toBe(`${CACHE}/2.13.0-cu130/torch`)
  })
  it('passes over a CUDA build without the libraries of NVIDIA, as earlier versions left it', () => {
    const files = { ...cached('2.13.0-cpu', '2.13.0+cpu'), ...cached('2.13.0-cu130', '2.13.0+cu130', '/torch') }
    expect(resolve({ files }).root).toBe(`${CACHE}/2.13.0-cpu`)
    const error = failure({ files: cached('2.13.0-cu130', '2.13.0+cu130', '/torch') })
    expect(error.detail).toContain('2.13.0-cu130: has no libcudart and no libcublas: install-libtorch --variant cu130')
  })
})

describe('a source of the wrong version', () => {
  const files = libtorchFiles('/old', '2.12.1+cpu')
  it('is an error when it was named by the option', () => {
    expect(failure({ files }, '/old')).toMatchObject({ code: 'ERR_LIBTORCH_VERSION' })
  })
  it('is an error when it was named by LIBTORCH, also when the cache has the right one', () => {
    const error = failure({ files: { ...files, ...cached('2.13.0-cpu', '2.13.0+cpu') }, env: { LIBTORCH: '/old' } })
    expect(error.code).toBe('ERR_LIBTORCH_VERSION')
    expect(error.message).toContain('2.12.1+cpu')
    expect(error.message).toContain('2.13.x')
  })
  it('is passed over with its reason when nobody named it', () => {
    const machine = {
      files: { ...files, ...libtorchFiles('/opt/libtorch', '2.13.0+cpu') },
      commands: { python3: '/old\n' },
    }
    const result = tryResolveLibtorch(fakeHost(machine), { minors: ['2.13'] })
    expect(result).toMatchObject({ libtorch: { source: 'system' } })
    expect(formatAttempts(result.attempts)).toContain('- python   python3: version 2.12.1+cpu')
  })
  it('includes a newer minor: LibTorch promises no C++ ABI across minors', () => {
    expect(failure({ files: libtorchFiles('/new', '2.14.1+cpu') }, '/new').code).toBe('ERR_LIBTORCH_VERSION')
  })
})

describe('a source that is no LibTorch', () => {
  it('is an error when it was named: no fall-through', () => {
    const files = cached('2.13.0-cpu', '2.13.0+cpu')
    expect(failure({ files, env: { LIBTORCH: '/gone' } })).toMatchObject({ code: 'ERR_LIBTORCH_INVALID' })
    expect(failure({ files }, '/gone')).toMatchObject({ code: 'ERR_LIBTORCH_INVALID' })
  })
  it('says which libraries are missing', () => {
    const error = failure({ files: { '/x/lib/libtorch.so': '', '/x/lib/libtorch_cpu.so': '' } }, '/x')
    expect(error.message).toContain('no libc10.so in /x/lib')
  })
  it('says when no version is stated', () => {
    const files = { '/x/lib/libtorch.so': '', '/x/lib/libtorch_cpu.so': '', '/x/lib/libc10.so': '' }
    expect(failure({ files }, '/x').message).toContain('version.py')
  })
  it('is passed over when Python has no torch or there is no Python', () => {
    expect(failure({ commands: { python3: '\n' } }).detail).toContain('python3: has no torch')
    expect(failure({}).detail).toContain("python3: can't be run")
  })
})

it('finding nothing lists every place in order, and the commands that cure it', () => {
  const error = failure({ env: { VIRTUAL_ENV: '/venv' } })
  expect(error).toBeInstanceOf(EspalierError)
  expect(error.code).toBe('ERR_LIBTORCH_NOT_FOUND')
  const places = error.detail!.split('\n').map((line) => line.split(':')[0])
  expect(places).toEqual([
    `- cache    ${CACHE}`,
    '- python   /venv/bin/python',
    '- python   python3',
    '- system   /opt/libtorch',
    '- system   /usr/local/libtorch',
    '- system   /usr/local',
    '- system   /usr/lib/x86_64-linux-gnu',
  ])
  expect(error.hint).toContain('espalier install-libtorch')
  expect(error.hint).toContain('LIBTORCH=')
})
