// Builds the native part with cmake-js and copies the products to build/Release, where node-gyp-build looks first.
// CMake's own trees, one for each LibTorch minor, are in .cmake/, not under build/: `node-gyp rebuild` deletes that.
//
//   node scripts/build/build.mjs [--libtorch DIR]… [--to DIR] [--cuda] [--sanitize]
//
// --libtorch may be given several times; the products of each lie side by side, and each LibTorch gets those of its minor. The
// variable ESPALIER_BUILD_FOR (folders with a colon between) is the same, for `npm run prebuild`, which calls through node-gyp.
// --cuda also builds the CUDA library, with nvcc, against a CUDA LibTorch: the one that --libtorch or LIBTORCH names.
// --sanitize builds some parts with AddressSanitizer and UndefinedBehaviorSanitizer: see scripts/checks/sanitize.mjs.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { libtorchToBuildWith, printScriptError } from '../setup/libtorch.mjs'
import { CUDA_MINOR, hasNvcc, isCudaLibtorch, minorOfHeaders } from '../setup/headers.mjs'

/** What the largest translation unit takes, bytes. */
const UNIT_MEMORY = 1.5e9

const CUDA_CURE = 'pip install torch==2.14.1, then LIBTORCH=<site-packages>/torch npm run build:cuda'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: {
    libtorch: { type: 'string', multiple: true },
    to: { type: 'string' },
    cuda: { type: 'boolean', default: false },
    sanitize: { type: 'boolean', default: false },
  },
})

try {
  const target = resolve(root, values.to ?? 'build/Release')
  const several = process.env.ESPALIER_BUILD_FOR?.split(':')
  const folders = values.libtorch ?? several ?? [values.cuda ? cudaLibtorch() : (await libtorchToBuildWith(root)).root]
  for (const [i, libtorch] of folders.entries()) {
    if (values.cuda) mustBeCuda(libtorch)
    const minor = minorOfHeaders(libtorch)
    const ships = several !== undefined && minor === CUDA_MINOR && isCudaLibtorch(libtorch)
    const cuda = values.cuda || (ships && hasNvcc())
    const tree = `.cmake/${values.sanitize ? 'sanitize' : minor}`
    console.log(`LibTorch ${minor}${cuda ? ' with CUDA' : ''}: ${libtorch}`)
    // One loader serves all.
    compile(resolve(libtorch), tree, { cuda, loader: i === 0 })
    if (cuda) mustNeedCuda(tree)
    copyProducts(tree, target, { cuda, loader: i === 0 })
  }
} catch (error) {
  printScriptError(error)
  process.exit(1)
}

/** A CUDA LibTorch is never looked for or fetched here: it has 5 GB with its libraries. */
function cudaLibtorch() {
  const named = process.env.LIBTORCH
  if (named !== undefined) return named
  throw new Error(`build:cuda needs a CUDA LibTorch: ${CUDA_CURE}`)
}

/** @param {string} libtorch */
function mustBeCuda(libtorch) {
  if (isCudaLibtorch(libtorch)) return
  throw new Error(`${libtorch} is no CUDA LibTorch, it has no lib/libtorch_cuda.so: ${CUDA_CURE}`)
}

/** @param {string} libtorch @param {string} tree @param {{ cuda: boolean, loader: boolean }} parts */
function compile(libtorch, tree, { cuda, loader }) {
  const cmakeJs = join(root, 'node_modules/cmake-js/bin/cmake-js')
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / UNIT_MEMORY)))
  /** @param {boolean} on */
  const flag = (on) => (on ? 'ON' : 'OFF')
  const defines = {
    LIBTORCH: libtorch,
    ESPALIER_LOADER: flag(loader),
    ESPALIER_CUDA: flag(cuda),
    ESPALIER_SANITIZE: flag(values.sanitize),
  }
  const args = ['build', '--out', tree, '--parallel', `${jobs}`]
  for (const [name, value] of Object.entries(defines)) args.push(`--CD${name}=${value}`)
  const { status } = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/**
 * A linker that drops libtorch_cuda, of which nothing is used by name, makes a library that sees no device.
 * @param {string} tree
 */
function mustNeedCuda(tree) {
  const products = join(root, tree, 'Release')
  const name = readdirSync(products).find((file) => file.startsWith('libespalier_cuda-'))
  const needed = spawnSync('readelf', ['-d', join(products, `${name}`)], { encoding: 'utf8' }).stdout
  for (const library of ['libtorch_cuda.so', 'libc10_cuda.so', 'libcudart.so', 'libtorch_cpu.so', 'libc10.so']) {
    if (!needed.includes(`[${library}`)) throw new Error(`${name} does not need ${library}: it was linked wrongly`)
  }
}

/** @param {string} tree @param {string} target @param {{ cuda: boolean, loader: boolean }} parts */
function copyProducts(tree, target, { cuda, loader }) {
  mkdirSync(target, { recursive: true })
  const products = join(root, tree, 'Release')
  const kinds = ['core', 'ops', ...(cuda ? ['cuda'] : [])].join('|')
  const wanted = new RegExp(`^(libespalier_(${kinds})-\\d+\\.\\d+\\.so${loader ? '|espalier\\.node' : ''})$`)
  for (const name of readdirSync(products)) {
    if (!wanted.test(name)) continue
    // Rename, not overwrite: a process that has the old library open keeps it whole.
    const part = join(target, `.${name}.part`)
    copyFileSync(join(products, name), part)
    renameSync(part, join(target, name))
  }
}
