// Builds the native part with cmake-js and copies the products to build/Release, where node-gyp-build looks first.
// CMake's own tree is in .cmake/, not under build/: `node-gyp rebuild` deletes that.
//
//   node scripts/build.mjs [--libtorch DIR] [--to DIR]

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values } = parseArgs({ options: { libtorch: { type: 'string' }, to: { type: 'string' } } })
const libtorch =
  values.libtorch ??
  process.env.LIBTORCH ??
  join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier/libtorch/2.13.0-cpu')
const target = resolve(root, values.to ?? 'build/Release')

const torchDir = join(libtorch, 'share/cmake/Torch')
if (!existsSync(torchDir)) {
  console.error(`No LibTorch at ${libtorch}; run: npm run setup`)
  process.exit(1)
}

const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js')
const result = spawnSync(
  process.execPath,
  [cmakeJs, 'build', '--out', '.cmake', '--parallel', '2', `--CDTorch_DIR=${torchDir}`],
  { cwd: root, stdio: 'inherit' },
)
if (result.status !== 0) process.exit(result.status ?? 1)

// Rename, not overwrite: a process that has the old library open keeps it whole.
mkdirSync(target, { recursive: true })
const products = join(root, '.cmake/Release')
for (const name of readdirSync(products)) {
  if (!/^(espalier\.node|libespalier_core-\d+\.\d+\.so)$/.test(name)) continue
  const part = join(target, `.${name}.part`)
  copyFileSync(join(products, name), part)
  renameSync(part, join(target, name))
}
