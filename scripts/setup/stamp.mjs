// A stamp is a file that holds the hash of all that a product was made from: equal hash, nothing to do.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/**
 * @param {string} root
 * @param {string[]} paths files and folders under `root`; missing ones count as such
 * @param {string[]} words anything else that the product depends on
 */
export function hashOf(root, paths, words = []) {
  const hash = createHash('sha256')
  for (const word of words) hash.update(`${word}\0`)
  for (const path of paths) {
    for (const file of filesOf(join(root, path)))
      hash
        .update(`${relative(root, file)}\0`)
        .update(readFileSync(file))
        .update('\0')
  }
  return hash.digest('hex')
}

/** @param {string} path @returns {string[]} */
function filesOf(path) {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)))
}

/**
 * @param {string} stamp
 * @param {string} hash
 * @param {string[]} products files that must be there
 */
export function isCurrent(stamp, hash, products) {
  return products.every((path) => existsSync(path)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
}

/** @param {string} stamp @param {string} hash */
export function writeStamp(stamp, hash) {
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, hash)
}
