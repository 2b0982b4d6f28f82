import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ALLOW_INCOMPLETE, describePrebuilds, whyNotToPack } from '../../scripts/release/prebuilt.mjs'
import { nativeHash } from '../../scripts/setup/native-hash.mjs'

let root: string
const path = (...names: string[]) => join(root, ...names)
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-prebuilt-'))
  mkdirSync(path('native'))
  writeFileSync(path('native/core.cc'), 'one')
  mkdirSync(path('prebuilds/linux-x64'), { recursive: true })
  for (const name of ['espalier.node', 'libespalier_core-2.13.so'])
    writeFileSync(path('prebuilds/linux-x64', name), name)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const describeAll = (complete = true) => describePrebuilds(root, { hash: nativeHash(root), complete })
const fault = (env: NodeJS.ProcessEnv = {}) => whyNotToPack(root, env)

it('binaries of these sources, with their sums, may be packed', () => {
  expect(describeAll()).toEqual(['linux-x64/espalier.node', 'linux-x64/libespalier_core-2.13.so'])
  expect(readFileSync(path('prebuilds/SHA256SUMS'), 'utf8')).toMatch(/^([0-9a-f]{64} {2}linux-x64\/\S+\n){2}$/)
  expect(fault()).toBe(undefined)
})

it('without the sums, or without the note of what they were made from, they may not', () => {
  expect(fault()).toMatch(/no prebuilt binaries: npm run prebuild$/)
  for (const name of ['SHA256SUMS', '.stamp']) {
    describeAll()
    rmSync(path('prebuilds', name))
    expect(fault()).toMatch(/no prebuilt binaries/)
  }
})

it('nor when a source has changed since', () => {
  describeAll()
  writeFileSync(path('native/core.cc'), 'two')
  expect(fault()).toMatch(/made from other sources/)
})

it('nor when one has changed, is gone or has come', () => {
  const core = path('prebuilds/linux-x64/libespalier_core-2.13.so')
  describeAll()
  appendFileSync(core, 'x')
  expect(fault()).toMatch(/not those of prebuilds\/SHA256SUMS/)
  describeAll()
  rmSync(core)
  expect(fault()).toMatch(/not those of/)
  describeAll()
  writeFileSync(core, '')
  expect(fault()).toMatch(/not those of/)
})

it('nor when some are missing, unless that is asked for', () => {
  describeAll(false)
  expect(fault()).toMatch(/Some prebuilt binaries are missing: npm run prebuild -- --complete/)
  expect(fault({ [ALLOW_INCOMPLETE]: '1' })).toBe(undefined)
  writeFileSync(path('native/core.cc'), 'two')
  expect(fault({ [ALLOW_INCOMPLETE]: '1' })).toMatch(/made from other sources/)
})
