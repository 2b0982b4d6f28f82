// What nvcc makes of the CUDA kernels, instruction by instruction: the launches of main.cc again, on an interpreter of PTX.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { libtorchToBuildWith } from '../../scripts/setup/libtorch.mjs'
import { fromSixteen, SIXTEEN, toFloat, toSixteen } from './ptx/arithmetic.js'
import { launch } from './ptx/machine.js'
import { Memory } from './ptx/memory.js'
import { type Kernel, parse } from './ptx/parse.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'espalier-ptx-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Launch {
  /** A part of the kernel's name. */
  kernel: string
  blocks: number
  arguments: string[]
  arrays: { address: string; before: string; after: string }[]
}

const THREADS = 256
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hasCompiler = spawnSync('nvcc', ['--version']).status === 0
if (!hasCompiler) console.warn('PTX is not interpreted: there is no nvcc on the PATH')

function run(command: string, args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  expect(status, `${stdout}${stderr}`).toBe(0)
}

let include: string[]
let launches: Launch[]

function kernelsOf(...flags: string[]): Kernel[] {
  const path = join(folder, `${flags.join('')}.ptx`)
  const source = join(root, 'native/ops/cuda/launch.cu')
  run('nvcc', [
    '-std=c++20',
    '-O3',
    '-arch=sm_90',
    '-ptx',
    ...flags,
    `-I${join(root, 'native')}`,
    ...include,
    source,
    '-o',
    path,
  ])
  return parse(readFileSync(path, 'utf8'))
}

/** Runs a recorded launch; gives every array as the instructions leave it. */
function replay(kernels: readonly Kernel[], { kernel, blocks, arguments: parameters, arrays }: Launch) {
  const found = kernels.filter(({ name }) => name.includes(kernel))
  expect(found, kernel).toHaveLength(1)
  const memory = new Memory()
  const contents = arrays.map(({ before }) => bytesOf(before))
  for (const [k, { address }] of arrays.entries()) memory.add(BigInt(address), contents[k]!)
  const instructions = launch(found[0]!, memory, blocks, THREADS, parameters.map(bytesOf))
  return { contents, instructions }
}

/** Values of an array, by what the kernel's name says that it holds. */
function valuesOf(bytes: Uint8Array, type: 'f32' | 'f16' | 'bf16'): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (type === 'f32') return Array.from({ length: bytes.length >> 2 }, (_, k) => toFloat(view.getUint32(4 * k, true)))
  return Array.from({ length: bytes.length >> 1 }, (_, k) =>
    fromSixteen(view.getUint16(2 * k, true), ...SIXTEEN[type]!),
  )
}
const typeOf = (kernel: string) => (/Half/.test(kernel) ? 'f16' : /BFloat16/.test(kernel) ? 'bf16' : 'f32')
/** One rounding of the type; multiplications and additions that are one for the GPU are two for g++. */
const TOLERANCE = { f32: 1e-6, f16: 1.1e-3, bf16: 8e-3 } as const
/** A partial sum has up to 64 products, so up to 64 such roundings of 6e-8. */
const SUM_TOLERANCE = 64 * 2 ** -24 * 2

describe.skipIf(!hasCompiler)('the instructions of the kernels', { timeout: 300_000 }, () => {
  beforeAll(async () => {
    const libtorch = await libtorchToBuildWith(root)
    include = ['-isystem', join(libtorch.root, 'include')]
    const [program, recording] = [join(folder, 'main'), join(folder, 'launches.jsonl')]
    const flags = ['-std=c++20', '-O1', '-w', '-DQUICK', '-DALL_TYPES', '-lpthread']
    const folders = ['test/kernels/emulated', 'native', 'test'].map((path) => `-I${join(root, path)}`)
    run('g++', [...flags, ...folders, ...include, join(root, 'test/kernels/main.cc'), '-o', program])
    run(program, ['--record', recording])
    launches = readFileSync(recording, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }, 300_000)

  it('compute what the emulated kernels do, within their arrays, without races', () => {
    const kernels = kernelsOf()
    const used = new Set<string>()
    let written = 0
    for (const recorded of launches) {
      const { contents } = replay(kernels, recorded)
      used.add(recorded.kernel)
      const type = typeOf(recorded.kernel)
      recorded.arrays.forEach(({ before, after }, k) => {
        const got = Buffer.from(contents[k]!).toString('hex')
        if (before === after)
          expect(got === before, `${recorded.kernel}: an array is written that should not be`).toBe(true)
        if (got === after) return
        written++
        const wanted = bytesOf(after)
        // Sums are of float32, whatever the weights are.
        const isSum = /Norms|Slots/.test(recorded.kernel)
        const kind = isSum ? 'f32' : type
        const [values, wantedValues] = [valuesOf(contents[k]!, kind), valuesOf(wanted, kind)]
        const worst = values.reduce((most, value, i) => {
          const other = wantedValues[i]!
          if (Object.is(value, other)) return most
          return Math.max(most, Math.abs(value - other) / (1 + Math.abs(other)) || Number.POSITIVE_INFINITY)
        }, 0)
        expect(worst, recorded.kernel).toBeLessThan(isSum ? SUM_TOLERANCE : TOLERANCE[kind])
      })
    }
    expect(used.size).toBe(18)
    expect(written).toBeGreaterThan(0)
  })

  it.each([
    [
      'a barrier is missing after the descriptor is read',
      'BUG_NO_BARRIER_DESC',
      'ApplyKernelIf',
      /race|nobody has written/,
    ],
    [
      'a barrier is missing before the sums of the warps are added',
      'BUG_NO_BARRIER_SUMS',
      'NormsKernelIf',
      /race|nobody/,
    ],
    ['a barrier is missing before minimum and maximum', 'BUG_NO_BARRIER_GROW', 'GrowKernel', /race|nobody has written/],
    ['the last vector goes beyond the end', 'BUG_TAIL', 'ApplyKernelIf', /out of bounds/],
  ])('it is noticed when %s', (_what, bug, kernel, words) => {
    const kernels = kernelsOf(`-D${bug}`)
    const recorded = launches.find((candidate) => candidate.kernel === kernel)!
    expect(() => replay(kernels, recorded)).toThrow(words)
  })
})

describe('the interpreter', () => {
  const kernel = (code: string) =>
    parse(`.visible .entry test(\n.param .u64 test_param_0\n)\n{\n.shared .align 4 .b8 s[8];\n${code}\nret;\n\n}\n`)[0]!
  const start = (code: string, threads = 2) => {
    const memory = new Memory()
    const bytes = new Uint8Array(16)
    memory.add(4096n, bytes)
    const parameter = new Uint8Array(8)
    new DataView(parameter.buffer).setBigUint64(0, 4096n, true)
    launch(kernel(code), memory, 1, threads, [parameter])
    return new DataView(bytes.buffer)
  }

  it('computes with integers and floats of both signs', () => {
    const view = start(`
      ld.param.u64 %rd1, [test_param_0];
      mov.u32 %r1, 7; sub.s32 %r2, %r1, 9; mul.hi.u32 %r3, %r2, 2; min.s32 %r4, %r2, %r1; max.u32 %r5, %r2, %r1;
      st.global.u32 [%rd1], %r2; st.global.u32 [%rd1+4], %r3; st.global.u32 [%rd1+8], %r4;
      mov.f32 %f1, 0f3FC00000; neg.f32 %f2, %f1; fma.rn.f32 %f3, %f1, %f2, %f1; st.global.f32 [%rd1+12], %f3;`)
    expect([view.getInt32(0, true), view.getUint32(4, true), view.getInt32(8, true)]).toEqual([-2, 1, -2])
    expect(view.getFloat32(12, true)).toBe(-0.75)
  })

  it.each([
    ['an access beyond an array', 'ld.param.u64 %rd1, [test_param_0]; ld.global.u32 %r1, [%rd1+16];', /out of bounds/],
    ['a misaligned access', 'ld.param.u64 %rd1, [test_param_0]; ld.global.u32 %r1, [%rd1+2];', /misaligned/],
    ['a register that has no value', 'add.s32 %r1, %r2, 1;', /%r2 has no value/],
    ['an instruction that it does not know', 'mov.u32 %r1, 1; popc.b32 %r2, %r1;', /not known/],
    ['shared memory that nobody wrote', 'ld.shared.u32 %r1, [s];', /nobody has written/],
    ['two threads that write one place', 'mov.u32 %r1, 1; st.shared.u32 [s], %r1;', /race/],
    [
      'a barrier that not all reach',
      'mov.u32 %r1, %tid.x; setp.eq.s32 %p1, %r1, 0; @%p1 bar.sync 0;',
      /not all threads/,
    ],
  ])('refuses %s', (_what, code, words) => {
    expect(() => start(code)).toThrow(words)
  })

  it('rounds to 16 bits as hardware does', () => {
    const half = (value: number) => toSixteen(value, ...SIXTEEN.f16!)
    expect([1, -2, 65504, 65520, 2 ** -24, 2 ** -26, 1 + 2 ** -11, 1 + 3 * 2 ** -11].map(half)).toEqual([
      0x3c00, 0xc000, 0x7bff, 0x7c00, 1, 0, 0x3c00, 0x3c02,
    ])
    for (let bits = 0; bits < 0x7c00; bits += 7) expect(half(fromSixteen(bits, 5, 10))).toBe(bits)
  })
})
