// Makes a clone ready: checks what is needed, compiles TypeScript, finds or fetches LibTorch, builds the native part. Each
// step is done only when something that it depends on has changed. `npm run demo` and `npm test` run this first.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findMissing, formatMissing, thisMachine } from './prerequisites.mjs'
import { run } from './run.mjs'
import { hashOf, isCurrent, writeStamp } from './stamp.mjs'
import { buildExamples, buildTypescript } from './typescript.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const start = Date.now()
const inRoot = (/** @type {string} */ path) => join(root, path)

/**
 * The LibTorch that is found, or fetched when none is. One without headers runs but can't be compiled against.
 * @returns {Promise<import('../lib/torch/runtime/index.js').Libtorch>}
 */
async function findLibtorch() {
  const module = pathToFileURL(inRoot('dist/torch/runtime/index.js')).href
  /** @type {typeof import('../lib/torch/runtime/index.js')} */
  const { realHost, tryResolveLibtorch, LIBTORCH_VERSION, minorOf } = await import(module)
  const minors = [String(minorOf(LIBTORCH_VERSION))]
  const host = realHost()
  const canCompile = (/** @type {string} */ folder) => existsSync(join(folder, 'share/cmake/Torch/TorchConfig.cmake'))

  let found = tryResolveLibtorch(host, { minors })
  if ('error' in found && found.error.code !== 'ERR_LIBTORCH_NOT_FOUND') throw found.error
  if ('error' in found || (!canCompile(found.libtorch.root) && found.libtorch.source !== 'LIBTORCH')) {
    await runVisibly('fetching LibTorch', [inRoot('dist/cli/main.js'), 'install-libtorch'])
    found = tryResolveLibtorch(host, { minors })
  }
  if ('error' in found) throw found.error
  if (!canCompile(found.libtorch.root))
    throw new Error(`${found.libtorch.root} has no share/cmake/Torch: it can't be compiled against`)
  return found.libtorch
}

/** @param {string} label @param {string[]} args */
async function runVisibly(label, args) {
  await run(label, process.execPath, args, { cwd: root, show: () => true })
}

/** @param {import('../lib/torch/runtime/index.js').Libtorch} libtorch */
async function buildNative(libtorch) {
  const sources = ['native', 'CMakeLists.txt', 'scripts/build.mjs', 'node_modules/node-addon-api/package.json']
  const hash = hashOf(root, sources, [libtorch.version])
  const stamp = inRoot('build/Release/.stamp')
  if (isCurrent(stamp, hash, [inRoot('build/Release/espalier.node')])) return
  const isStep = (/** @type {string} */ line) => /^\[\s*\d+(\/\d+|%)\]/.test(line)
  await run(
    `building the native part against LibTorch ${libtorch.version}`,
    process.execPath,
    [inRoot('scripts/build.mjs'), '--libtorch', libtorch.root],
    { cwd: root, show: isStep },
  )
  writeStamp(stamp, hash)
}

async function setup() {
  const missing = findMissing(thisMachine(root))
  if (missing.length > 0) throw new Error(formatMissing(missing))
  await buildTypescript(root)
  const libtorch = await findLibtorch()
  await buildNative(libtorch)
  await buildExamples(root)
  console.log(`ready: LibTorch ${libtorch.version} (${libtorch.source}), ${((Date.now() - start) / 1000).toFixed(1)} s`)
}

try {
  await setup()
} catch (error) {
  const { message, detail, hint } = /** @type {{ message: string, detail?: string, hint?: string }} */ (error)
  console.error([message, detail, hint].filter(Boolean).join('\n'))
  process.exit(1)
}
