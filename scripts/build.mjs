// Builds the native part with cmake-js and copies the products to build/Release, where node-gyp-build looks first.
// CMake's own tree is in .cmake/, not under build/: `node-gyp rebuild` deletes that.
//
//   node scripts/build.mjs [--libtorch DIR] [--to DIR]

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { libtorchToBuildWith, printScriptError } from './libtorch.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { libtorch: { type: 'string' }, to: { type: 'string' } } })

try {
  const libtorch = values.libtorch ?? (await libtorchToBuildWith(root)).root
  compile(libtorch)
  copyProducts(resolve(root, values.to ?? 'build/Release'))
} catch (error) {
  printScriptError(error)
  process.exit(1)
}

/** @param {string} libtorch */
function compile(libtorch) {
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js')
  const torch = `--CDTorch_DIR=${join(libtorch, 'share/cmake/Torch')}`
  const { status } = spawnSync(process.execPath, [cmakeJs, 'build', '--out', '.cmake', '--parallel', '2', torch], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

/** @param {string} target */
function copyProducts(target) {
  mkdirSync(target, { recursive: true })
  const products = join(root, '.cmake/Release')
  for (const name of readdirSync(products)) {
    if (!/^(espalier\.node|libespalier_(core|ops)-\d+\.\d+\.so)$/.test(name)) continue
    // Rename, not overwrite: a process that has the old library open keeps it whole.
    const part = join(target, `.${name}.part`)
    copyFileSync(join(products, name), part)
    renameSync(part, join(target, name))
  }
}
