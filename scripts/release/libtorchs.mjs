// The LibTorch folders that this machine can make binaries for: of each minor that the package serves, the first that has headers.

import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { hasHeaders, minorOfHeaders } from '../setup/headers.mjs'
import { buildTypescript } from '../setup/typescript.mjs'

/**
 * @typedef {object} Found
 * @property {string} minor such as `2.13`
 * @property {string} [libtorch] its folder
 * @property {string} [reason] why there is none
 */

/**
 * @param {string} root
 * @param {readonly string[]} named folders that win over what is found
 * @returns {Promise<Found[]>}
 */
export async function findLibtorchs(root, named) {
  await buildTypescript(root)
  /** @type {typeof import('../../lib/libtorch/index.js')} */
  const { LIBTORCH_MINORS, realHost, tryResolveLibtorch } = await import(
    pathToFileURL(join(root, 'dist/libtorch/index.js')).href
  )
  const { LIBTORCH: variable, ...env } = process.env
  const folders = [...named, ...(variable ? [variable] : [])].map((folder) => resolve(folder))
  for (const folder of folders) {
    const minor = minorOfHeaders(folder)
    if (!LIBTORCH_MINORS.some((known) => known === minor)) {
      throw new Error(`${folder} is LibTorch ${minor}; there are binaries for ${LIBTORCH_MINORS.join(' and ')}`)
    }
  }
  return LIBTORCH_MINORS.map((minor) => {
    const own = folders.find((folder) => minorOfHeaders(folder) === minor)
    if (own !== undefined) return { minor, libtorch: own }
    const found = tryResolveLibtorch(realHost(env), { minors: [minor] })
    if ('error' in found) return { minor, reason: 'no such LibTorch is here' }
    const { root: libtorch } = found.libtorch
    return hasHeaders(libtorch) ? { minor, libtorch } : { minor, reason: `${libtorch} has no headers` }
  })
}
