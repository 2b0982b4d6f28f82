// The CUDA kernels without a GPU: on the host (main.cc on emulator.h), and what nvcc makes of them.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libtorchToBuildWith } from '../../scripts/libtorch.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-kernels-'))
let includes: string[]
beforeAll(async () => {
  const libtorch = await libtorchToBuildWith(root)
  includes = [`-I${join(root, 'native')}`, `-I${join(root, 'test')}`, '-isystem', join(libtorch.root, 'include')]
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

const nvcc = run('nvcc', ['--version']).status === 0
if (!nvcc) console.warn('what nvcc makes of the kernels is not checked: there is no nvcc on the PATH')

describe.skipIf(!nvcc)('what nvcc makes of them', { timeout: 300_000 }, () => {
  const compiled = (output: string, ...flags: string[]) => {
    const path = join(folder, output)
    const source = join(root, 'native/ops/cuda/launch.cu')
    const result = run('nvcc', ['-std=c++20', '-O3', '-arch=sm_90', ...flags, ...includes, source, '-o', path])
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

  it('15 kernels: four for each of three dtypes, three for none', () => {
    expect(kernels.size).toBe(15)
  })

  it('spills nothing and has no stack', () => {
    const { text } = compiled('launch.o', '-c', '-Xptxas', '-v')
    const stacks = [...text.matchAll(/(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/g)]
    expect(stacks.length).toBeGreaterThanOrEqual(15)
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
    ['SgdKernelIf', 3, 2],
    ['AdamwKernelIf', 4, 3],
    ['ApplyKernelIN3c104Half', 2, 1],
    ['ApplyKernelIN3c108BFloat16', 2, 1],
  ])('%s reads %i and writes %i arrays 16 bytes at a time', (name, reads, writes) => {
    const text = entry(name)
    expect(text.match(/ld\.global(\.nc)?\.v4\.[bfu]32/g)).toHaveLength(reads)
    expect(text.match(/st\.global\.v4\.[bfu]32/g)).toHaveLength(writes)
  })
})
