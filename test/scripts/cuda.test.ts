import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const empty = mkdtempSync(join(tmpdir(), 'espalier-cuda-'))
afterAll(() => rmSync(empty, { recursive: true, force: true }))

const script = (name: string, env: NodeJS.ProcessEnv, ...args: string[]) =>
  spawnSync(process.execPath, [join(root, 'scripts', name), ...args], {
    encoding: 'utf8',
    env: { ...process.env, LIBTORCH: undefined, ...env },
  })

describe('npm run build:cuda', () => {
  it('says what it needs when no LibTorch is named, or one without CUDA', () => {
    const unnamed = script('build/build.mjs', {}, '--cuda')
    expect(unnamed.status).toBe(1)
    expect(unnamed.stderr).toBe(
      'build:cuda needs a CUDA LibTorch: pip install torch==2.14.1, then LIBTORCH=<site-packages>/torch npm run build:cuda\n',
    )
    const other = script('build/build.mjs', { LIBTORCH: empty }, '--cuda')
    expect(other.status).toBe(1)
    expect(other.stderr).toContain(`${empty} is no CUDA LibTorch, it has no lib/libtorch_cuda.so`)
  })
})

describe('npm run prebuild', () => {
  it.each([
    ['2.13', 'LibTorch 2.13: '],
    ['2.14', 'LibTorch 2.14 with CUDA: '],
  ])('of a CUDA build of LibTorch %s says %j', (minor, words) => {
    const [libtorch, bin] = ['torch', 'bin'].map((name) => join(empty, minor, name)) as [string, string]
    for (const folder of [join(libtorch, 'lib'), join(libtorch, 'include/torch/headeronly'), bin]) {
      mkdirSync(folder, { recursive: true })
    }
    const macros = minor.split('.').map((part, i) => `#define TORCH_VERSION_${['MAJOR', 'MINOR'][i]} ${part}\n`)
    writeFileSync(join(libtorch, 'include/torch/headeronly/version.h'), macros.join(''))
    writeFileSync(join(libtorch, 'lib/libtorch_cuda.so'), '')
    writeFileSync(join(bin, 'nvcc'), '#!/bin/sh\n', { mode: 0o755 })
    // There is no compiler on this PATH: nothing is made.
    const { status, stdout, stderr } = script('build/build.mjs', { PATH: bin, ESPALIER_BUILD_FOR: libtorch })
    expect(stdout).toContain(`${words}${libtorch}\n`)
    expect(`${stdout}${stderr}`).toContain('is not available')
    expect(status).toBe(1)
  })
})

describe('npm run test:gpu', () => {
  it('says why it is skipped where there is no GPU', () => {
    const { status, stdout } = script('checks/gpu/gpu.mjs', { PATH: empty })
    expect(status).toBe(0)
    expect(stdout).toBe('test:gpu: skipped, there is no GPU here (nvidia-smi -L names none)\n')
  })
})
