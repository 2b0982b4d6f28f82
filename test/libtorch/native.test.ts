import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { realHost } from '../../lib/libtorch/host.js'
import { findNative } from '../../lib/libtorch/native.js'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-native-'))
  writeFileSync(join(root, 'package.json'), '{"name":"espalier"}')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), '')
  }
}

const PREBUILDS = [
  'prebuilds/linux-x64/espalier.glibc.node',
  'prebuilds/linux-x64/libespalier_core-2.13.so',
  'prebuilds/linux-x64/libespalier_ops-2.13.so',
]

it('what was built here comes before what was prebuilt', () => {
  put(...PREBUILDS)
  expect(findNative(realHost(), root).loader).toBe(join(root, PREBUILDS[0]!))
  put(
    ...['espalier.node', 'libespalier_core-2.13.so', 'libespalier_ops-2.13.so'].map((name) => `build/Release/${name}`),
  )
  expect(findNative(realHost(), root).loader).toBe(join(root, 'build/Release/espalier.node'))
})

it('there is a core for each LibTorch minor', () => {
  put(...PREBUILDS, ...['core', 'ops'].map((part) => `prebuilds/linux-x64/libespalier_${part}-2.14.so`))
  expect([...findNative(realHost(), root).cores.keys()].sort()).toEqual(['2.13', '2.14'])
})

it('the CUDA operators are there where they were built', () => {
  put(...PREBUILDS, ...['core', 'ops', 'cuda'].map((part) => `prebuilds/linux-x64/libespalier_${part}-2.14.so`))
  const { cores } = findNative(realHost(), root)
  expect(cores.get('2.14')?.cuda).toBe(join(root, 'prebuilds/linux-x64/libespalier_cuda-2.14.so'))
  expect(cores.get('2.13')?.cuda).toBe(undefined)
})

it('a platform without a prebuild is an error that names those there are', () => {
  put('prebuilds/plan9-mips/espalier.glibc.node')
  expect(() => findNative(realHost(), root)).toThrow(
    expect.objectContaining({ code: 'ERR_NO_PREBUILD', detail: 'prebuilt for: plan9-mips' }),
  )
})

it('a loader without a core and its operators is an error', () => {
  put('build/Release/espalier.node', 'build/Release/libespalier_core-2.13.so')
  expect(() => findNative(realHost(), root)).toThrow(expect.objectContaining({ code: 'ERR_NO_PREBUILD' }))
})

it('code that does not lie in the package was bundled, and the error says what to do', () => {
  put(...PREBUILDS)
  writeFileSync(join(root, 'package.json'), '{"name":"an-application"}')
  expect(() => findNative(realHost(), root)).toThrow(
    expect.objectContaining({ code: 'ERR_NO_PREBUILD', hint: expect.stringContaining('--external:espalier') }),
  )
})
