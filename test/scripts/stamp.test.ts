import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hashOf, isCurrent, writeStamp } from '../../scripts/setup/stamp.mjs'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'espalier-stamp-'))
  writeFileSync(join(root, 'a.cc'), 'one')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

it('a product is current until a source, a name, a word or the product itself changes', () => {
  const stamp = join(root, 'out/.stamp')
  const product = join(root, 'product')
  const current = (words = ['2.13.0']) => isCurrent(stamp, hashOf(root, ['a.cc', 'b.cc'], words), [product])
  expect(current()).toBe(false)
  writeStamp(stamp, hashOf(root, ['a.cc', 'b.cc'], ['2.13.0']))
  expect(current()).toBe(false)
  writeFileSync(product, '')
  expect(current()).toBe(true)
  expect(current(['2.14.1'])).toBe(false)
  writeFileSync(join(root, 'b.cc'), '')
  expect(current()).toBe(false)
  rmSync(join(root, 'b.cc'))
  writeFileSync(join(root, 'a.cc'), 'two')
  expect(current()).toBe(false)
})
