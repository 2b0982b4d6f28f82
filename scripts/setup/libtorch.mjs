// The LibTorch that the native part is compiled against: the one that the resolver finds, or fetched when there is none.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hasHeaders } from './headers.mjs'
import { run } from './run.mjs'
import { buildTypescript } from './typescript.mjs'

/** @typedef {import('../../lib/libtorch/index.js').Libtorch} Libtorch */

/**
 * The LibTorch that is there and can be compiled against; undefined when one has to be fetched. A LibTorch without headers
 * runs but can't be compiled against; one that the user named is never replaced.
 * @param {string} root
 * @returns {Promise<Libtorch | undefined>}
 */
export async function findLibtorch(root) {
  await buildTypescript(root)
  const module = pathToFileURL(join(root, 'dist/libtorch/index.js')).href
  /** @type {typeof import('../../lib/libtorch/index.js')} */
  const { realHost, tryResolveLibtorch, LIBTORCH_MINORS, LIBTORCH_VERSION, minorOf } = await import(module)
  // The one that is installed by default; any that the user names.
  const minors = process.env.LIBTORCH ? LIBTORCH_MINORS : [String(minorOf(LIBTORCH_VERSION))]
  const found = tryResolveLibtorch(realHost(), { minors })
  if ('error' in found) {
    if (found.error.code === 'ERR_LIBTORCH_NOT_FOUND') return undefined
    throw found.error
  }
  if (hasHeaders(found.libtorch.root)) return found.libtorch
  if (found.libtorch.source !== 'LIBTORCH') return undefined
  throw new Error(`${found.libtorch.root} has no include/torch/headeronly/version.h: it can't be compiled against`)
}

/** @param {string} root @returns {Promise<Libtorch>} */
export async function libtorchToBuildWith(root) {
  const there = await findLibtorch(root)
  if (there !== undefined) return there
  const install = [join(root, 'dist/cli/main.js'), 'install-libtorch']
  await run('fetching LibTorch', process.execPath, install, { cwd: root, show: () => true })
  const fetched = await findLibtorch(root)
  if (fetched === undefined) throw new Error('LibTorch was fetched but is not found: npx espalier doctor says more')
  return fetched
}

/**
 * An error of a script as a person wants to read it.
 * @param {unknown} error
 */
export function printScriptError(error) {
  const { message, detail, hint } = /** @type {{ message: string, detail?: string, hint?: string }} */ (error)
  console.error([message, detail, hint].filter(Boolean).join('\n'))
}
