// The LibTorch that the native part is compiled against: the one that the resolver finds, or fetched when there is none.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run } from './run.mjs'
import { buildTypescript } from './typescript.mjs'

/**
 * @param {string} root
 * @returns {Promise<import('../lib/torch/runtime/index.js').Libtorch>}
 */
export async function libtorchToBuildWith(root) {
  await buildTypescript(root)
  const module = pathToFileURL(join(root, 'dist/torch/runtime/index.js')).href
  /** @type {typeof import('../lib/torch/runtime/index.js')} */
  const { realHost, tryResolveLibtorch, LIBTORCH_VERSION, minorOf } = await import(module)
  const minors = [String(minorOf(LIBTORCH_VERSION))]
  const resolve = () => tryResolveLibtorch(realHost(), { minors })

  let found = resolve()
  if ('error' in found && found.error.code !== 'ERR_LIBTORCH_NOT_FOUND') throw found.error
  // A LibTorch without headers runs but can't be compiled against. One that the user named is never replaced.
  if ('error' in found || (!hasHeaders(found.libtorch) && found.libtorch.source !== 'LIBTORCH')) {
    const install = [join(root, 'dist/cli/main.js'), 'install-libtorch']
    await run('fetching LibTorch', process.execPath, install, { cwd: root, show: () => true })
    found = resolve()
  }
  if ('error' in found) throw found.error
  if (!hasHeaders(found.libtorch)) {
    throw new Error(`${found.libtorch.root} has no share/cmake/Torch: it can't be compiled against`)
  }
  return found.libtorch
}

/** @param {import('../lib/torch/runtime/index.js').Libtorch} libtorch */
function hasHeaders(libtorch) {
  return existsSync(join(libtorch.root, 'share/cmake/Torch/TorchConfig.cmake'))
}

/**
 * An error of a script as a person wants to read it.
 * @param {unknown} error
 */
export function printScriptError(error) {
  const { message, detail, hint } = /** @type {{ message: string, detail?: string, hint?: string }} */ (error)
  console.error([message, detail, hint].filter(Boolean).join('\n'))
}
