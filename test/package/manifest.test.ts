import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { nodeOnlyPath, npmCli, ROOT } from './tools.js'

const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
  dependencies: Record<string, string>
}

it('the lockfile names no host', () => {
  // Addresses of authors' funding pages are the only ones.
  expect(lock).not.toMatch(/"resolved"|registry|npmjs/)
})

it('no dependency has an install script', () => {
  const { packages } = JSON.parse(lock) as {
    packages: Record<string, { hasInstallScript?: boolean; optional?: boolean }>
  }
  const scripted = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript)
  expect(scripted.map(([name]) => name)).toEqual([])
})

it('there are seven runtime dependencies', () => {
  expect(Object.keys(manifest.dependencies)).toEqual([
    '@dagrejs/dagre',
    'commander',
    'csv-parse',
    'node-gyp-build',
    'uplot',
    'valibot',
    'yauzl',
  ])
})

it('npm ci runs no install script: it works where there is nothing but node', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-ci-'))
  try {
    // With a binding.gyp npm runs `node-gyp rebuild` on its own, unless package.json says "gypfile": false.
    for (const name of ['package.json', 'package-lock.json', 'binding.gyp', 'CMakeLists.txt', 'scripts', 'native']) {
      cpSync(join(ROOT, name), join(folder, name), { recursive: true })
    }
    const { status, stderr } = spawnSync(
      process.execPath,
      [npmCli(), 'ci', '--ignore-scripts=false', '--prefer-offline'],
      {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, PATH: nodeOnlyPath(folder) },
      },
    )
    expect(status, stderr).toBe(0)
    expect(stderr).not.toMatch(/node-gyp|cmake/i)
    expect(existsSync(join(folder, 'node_modules/typescript/package.json'))).toBe(true)
    expect(existsSync(join(folder, 'build'))).toBe(false)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
