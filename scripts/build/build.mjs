// Builds the native part with cmake-js and copies the products to build/Release, where node-gyp-build looks first.
// CMake's own tree is in .cmake/, not under build/: `node-gyp rebuild` deletes that.
//
//   node scripts/build/build.mjs [--libtorch DIR] [--to DIR] [--cuda] [--sanitize]
//
// --sanitize builds some parts with AddressSanitizer and UndefinedBehaviorSanitizer: see scripts/checks/sanitize.mjs.
// --cuda also builds the CUDA library, with nvcc, against a CUDA LibTorch: the one that --libtorch or LIBTORCH names. Its
// products lie beside those for the CPU, and each LibTorch gets the ones of its version.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { libtorchToBuildWith, printScriptError } from '../setup/libtorch.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: {
    libtorch: { type: 'string' },
    to: { type: 'string' },
    cuda: { type: 'boolean', default: false },
    sanitize: { type: 'boolean', default: false },
  },
})
const tree = values.cuda ? '.cmake/cuda' : values.sanitize ? '.cmake-sanitize' : '.cmake'

try {
  const libtorch = values.cuda ? cudaLibtorch() : (values.libtorch ?? (await libtorchToBuildWith(root)).root)
  compile(libtorch)
  if (values.cuda) mustNeedCuda()
  copyProducts(resolve(root, values.to ?? 'build/Release'))
} catch (error) {
  printScriptError(error)
  process.exit(1)
}

/** A CUDA LibTorch is never looked for or fetched: it has 5 GB with its libraries. */
function cudaLibtorch() {
  const named = values.libtorch ?? process.env.LIBTORCH
  if (named !== undefined && existsSync(join(named, 'lib/libtorch_cuda.so'))) return resolve(named)
  const cure = 'pip install torch==2.14.1, then LIBTORCH=<site-packages>/torch npm run build:cuda'
  throw new Error(
    named === undefined
      ? `build:cuda needs a CUDA LibTorch: ${cure}`
      : `${named} is no CUDA LibTorch, it has no lib/libtorch_cuda.so: ${cure}`,
  )
}

/** @param {string} libtorch */
function compile(libtorch) {
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js')
  const args = ['build', '--out', tree, '--parallel', '2', `--CDLIBTORCH=${libtorch}`]
  if (values.cuda) args.push('--CDESPALIER_CUDA=ON')
  if (values.sanitize) args.push('--CDESPALIER_SANITIZE=ON')
  const { status } = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** A linker that drops libtorch_cuda, of which nothing is used by name, makes a library that sees no device. */
function mustNeedCuda() {
  const products = join(root, tree, 'Release')
  const name = readdirSync(products).find((file) => file.startsWith('libespalier_cuda-'))
  const needed = spawnSync('readelf', ['-d', join(products, `${name}`)], { encoding: 'utf8' }).stdout
  for (const library of ['libtorch_cuda.so', 'libc10_cuda.so', 'libcudart.so', 'libtorch_cpu.so', 'libc10.so']) {
    if (!needed.includes(`[${library}`)) throw new Error(`${name} does not need ${library}: it was linked wrongly`)
  }
}

/** @param {string} target */
function copyProducts(target) {
  mkdirSync(target, { recursive: true })
  const products = join(root, tree, 'Release')
  for (const name of readdirSync(products)) {
    if (!/^(espalier\.node|libespalier_(core|ops|cuda)-\d+\.\d+\.so)$/.test(name)) continue
    // Rename, not overwrite: a process that has the old library open keeps it whole.
    const part = join(target, `.${name}.part`)
    copyFileSync(join(products, name), part)
    renameSync(part, join(target, name))
  }
}
