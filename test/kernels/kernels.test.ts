// The CUDA kernels without a GPU: on the host (main.cc on emulator.h), and what nvcc makes of them.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { realHost } from '../../lib/libtorch/host.js'
import { findNative } from '../../lib/libtorch/native.js'
import { libtorchToBuildWith } from '../../scripts/setup/libtorch.mjs'
import { python } from '../support/python.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-kernels-'))
let libtorch: { root: string; lib: string }
let includes: string[]
beforeAll(async () => {
  libtorch = await libtorchToBuildWith(root)
  includes = [
    `-I${join(root, 'test/kernels/emulated')}`,
    `-I${join(root, 'native')}`,
    `-I${join(root, 'test')}`,
    '-isystem',
    join(libtorch.root, 'include'),
  ]
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(command: string, args: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return { status: status ?? signal, stdout, text: `${stdout}${stderr}` }
}

/** Compiles the emulated kernels; returns the program. */
function built(name: string, ...flags: string[]): string {
  const program = join(folder, name)
  const common = ['-std=c++20', '-O1', '-g', '-Wall', '-Wextra', '-Wno-unknown-pragmas', '-Wno-clobbered']
  const { status, text } = run('g++', [
    ...common,
    ...includes,
    join(root, 'test/kernels/main.cc'),
    '-o',
    program,
    ...flags,
  ])
  expect(text).toBe('')
  expect(status).toBe(0)
  return program
}

describe('on the host', { timeout: 300_000 }, () => {
  it('all kernels agree with references in double, whatever the order of the threads', () => {
    const program = built('plain', '-lpthread')
    for (const order of ['forward', 'reverse', 'shuffled']) {
      expect(run(program, [order]), order).toMatchObject({ status: 0, text: 'all agree\n' })
    }
  })

  it('no access leaves its array, and nothing is undefined (AddressSanitizer, UndefinedBehaviorSanitizer)', () => {
    const program = built(
      'address',
      '-DQUICK',
      '-fsanitize=address,undefined',
      '-fno-sanitize-recover=all',
      '-lpthread',
    )
    // It warns of swapcontext, which it is told of.
    expect(run(program, ['shuffled'])).toMatchObject({ status: 0, stdout: 'all agree\n' })
  })

  it('threads touch the same memory only across barriers (ThreadSanitizer)', () => {
    const program = built('thread', '-DQUICK', '-fsanitize=thread', '-lpthread')
    // It can't place its shadow where addresses are drawn too freely.
    const fixed = run('setarch', ['-R', 'true']).status === 0
    const result = fixed ? run('setarch', ['-R', program, 'shuffled']) : run(program, ['shuffled'])
    expect(result).toMatchObject({ status: 0, text: 'all agree\n' })
  })

  it.each([
    ['a barrier is missing after the descriptor is read', 'BUG_NO_BARRIER_DESC'],
    ['a barrier is missing before the sums of the warps are added', 'BUG_NO_BARRIER_SUMS'],
    ['a barrier is missing before minimum and maximum', 'BUG_NO_BARRIER_GROW'],
    ['the last vector goes beyond the end', 'BUG_TAIL'],
    ['a coefficient is of the wrong dimension', 'BUG_DIMENSION'],
    ['chunks start one too late', 'BUG_CHUNK'],
    ['the guard against NaN is missing', 'BUG_NO_NAN_GUARD'],
  ])('it is noticed when %s', (_what, bug) => {
    const program = built(bug, '-DQUICK', `-D${bug}`, '-lpthread')
    for (const order of ['forward', 'reverse']) expect(run(program, [order]).status, order).not.toBe(0)
  })
})

describe.skipIf(python === undefined)('the glue between LibTorch and the kernels', { timeout: 600_000 }, () => {
  it('gives what the operators of the CPU give, allocates and copies nothing in a step, and refuses what they refuse', () => {
    const library = join(folder, 'libemulated.so')
    const common = ['-std=c++20', '-O1', '-fPIC', '-shared', '-DNDEBUG', '-fvisibility=hidden', ...includes]
    const torch = ['-isystem', join(libtorch.root, 'include/torch/csrc/api/include')]
    const sources = ['cuda/operators.cc', 'cuda/parts.cc', 'arguments.cc', 'plan.cc'].map((name) =>
      join(root, 'native/ops', name),
    )
    const kernels = ['-x', 'c++', '-include', 'kernels/emulator.h', join(root, 'native/ops/cuda/launch.cu')]
    const link = [`-L${libtorch.lib}`, '-ltorch_cpu', '-lc10', '-o', library]
    const made = run('g++', [...common, ...torch, ...sources, ...kernels, ...link])
    expect(made.status, made.text).toBe(0)

    const { ops } = findNative(realHost()).cores.get('2.13')!
    const result = run(python!, ['-W', 'ignore', join(root, 'test/kernels/glue.py'), ops, library])
    expect(result.status, result.text).toBe(0)
    const { errors, called, refused } = JSON.parse(result.stdout.trim().split('\n').at(-1)!)
    // In units of what rounding to the dtype can make.
    expect(Object.keys(errors)).toHaveLength(14)
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(1)
    expect(called).toEqual({
      reg_apply_: ['espalier::reg_apply_'],
      sgd_: ['espalier::sgd_'],
      adamw_: ['espalier::adamw_'],
    })
    expect(refused).toEqual({
      dtype: 'weights on CUDA must be float32, float16 or bfloat16, not Double',
      'gradient of another shape': expect.stringContaining("[3] doesn't go with the weight"),
      'layout outside the arena': expect.stringContaining("doesn't fit [4, 3] and 3 slots"),
      'index too large': "index 7 isn't below 3",
      'groups too large': 'group 0 has units up to 4 of 3',
      'step 0': 'step counts from 1, not 0',
    })
  })
})

const nvcc = run('nvcc', ['--version']).status === 0
if (!nvcc) console.warn('what nvcc makes of the kernels is not checked: there is no nvcc on the PATH')

describe.skipIf(!nvcc)('what nvcc makes of them', { timeout: 300_000 }, () => {
  const compiled = (output: string, ...flags: string[]) => {
    const path = join(folder, output)
    const source = join(root, 'native/ops/cuda/launch.cu')
    const headers = [`-I${join(root, 'native')}`, '-isystem', join(libtorch.root, 'include')]
    const result = run('nvcc', ['-std=c++20', '-O3', '-arch=sm_90', ...flags, ...headers, source, '-o', path])
    expect(result.status, result.text).toBe(0)
    return { path, text: result.text }
  }
  let kernels: Map<string, string>
  beforeAll(() => {
    const ptx = readFileSync(compiled('launch.ptx', '-ptx').path, 'utf8')
    const entries = ptx.split('.visible .entry ').slice(1)
    kernels = new Map(entries.map((text) => [text.slice(0, text.indexOf('(')), text]))
  })
  const entry = (part: string): string => {
    const found = [...kernels].filter(([name]) => name.includes(part)).map(([, text]) => text)
    expect(found, part).toHaveLength(1)
    return found[0]!
  }

  it('18 kernels: five for each of three dtypes, three for none', () => {
    expect(kernels.size).toBe(18)
  })

  it('spills nothing and has no stack', () => {
    const { text } = compiled('launch.o', '-c', '-Xptxas', '-v')
    const stacks = [...text.matchAll(/(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/g)]
    expect(stacks.length).toBeGreaterThanOrEqual(18)
    for (const [line, ...bytes] of stacks) expect(bytes, line).toEqual(['0', '0', '0'])
  })

  it('uses no local memory, divides no integer, and adds nothing atomically', () => {
    for (const [name, text] of kernels) {
      expect(text.match(/\.local|ld\.local|st\.local/), name).toBe(null)
      expect(text.match(/\b(div|rem)\.[us](16|32|64)/), name).toBe(null)
      expect(text.match(/\b(atom|red)\.global/), name).toBe(null)
    }
  })

  it.each([
    ['ApplyKernelIf', 2, 1],
    ['SgdKernelIfLb1', 3, 2],
    ['SgdKernelIfLb0', 2, 1],
    ['AdamwKernelIf', 4, 3],
    ['ApplyKernelIN3c104Half', 2, 1],
    ['ApplyKernelIN3c108BFloat16', 2, 1],
  ])('%s reads %i and writes %i arrays 16 bytes at a time', (name, reads, writes) => {
    const text = entry(name)
    expect(text.match(/ld\.global(\.nc)?\.v4\.[bfu]32/g)).toHaveLength(reads)
    expect(text.match(/st\.global\.v4\.[bfu]32/g)).toHaveLength(writes)
  })

  it('a launch asks the runtime for nothing but the launch: no memory, no copy, nothing that waits', () => {
    const { path } = compiled('runtime.o', '-c', '-Xcompiler', '-fPIC')
    const program = join(folder, 'runtime')
    const headers = ['-isystem', cudaHeaders(), `-I${join(root, 'native')}`, '-isystem', join(libtorch.root, 'include')]
    // The program brings the runtime itself: every function of it that the launchers name has to be there.
    const source = join(root, 'test/kernels/runtime.cc')
    const made = run('g++', ['-std=c++20', '-O1', ...headers, source, path, '-o', program])
    expect(made.status, made.text).toBe(0)
    const result = run(program, [])
    expect(result.status, result.text).toBe(0)
    const per = (launches: number) => ({
      __cudaPushCallConfiguration: launches,
      __cudaPopCallConfiguration: launches,
      __cudaLaunchKernel: launches,
      cudaGetLastError: launches,
    })
    expect(JSON.parse(result.stdout)).toEqual({
      apply: per(1),
      sgd: per(1),
      adamw: per(1),
      update: per(5),
      nothing: {},
    })
  })
})

/** Where nvcc finds cuda_runtime_api.h. */
function cudaHeaders(): string {
  const { text } = run('nvcc', ['-v', '-E', '-x', 'cu', '/dev/null'])
  return join(/TOP=(.+)/.exec(text)![1]!, 'include')
}
