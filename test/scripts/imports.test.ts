import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'

it('scripts, examples and tests take the package by its name, so that types are checked without a build', () => {
  const files = ['scripts', 'examples', 'test'].flatMap((folder) =>
    readdirSync(join(PACKAGE_ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(mjs|ts)$/.test(name))
      .map((name) => join(folder, name)),
  )
  expect(files).toContain('scripts/checks/bench/bench.mjs')
  const compiled = /(?:from|import\()\s*'\.[^']*\/dist\//
  expect(files.filter((file) => compiled.test(readFileSync(join(PACKAGE_ROOT, file), 'utf8')))).toEqual([])
})
