// Text that everybody has who has Espalier: its own sources, as they are installed.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('.', import.meta.resolve('espalier/package.json')))

/** Files of the package with this ending, in an order that is always the same. @param {string} folder @param {string} ending */
export function textsOf(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => readFileSync(join(root, folder, name), 'utf8'))
}

/** Writes one text of them. @param {string} path @param {number} bytes at most */
export function writeCorpus(path, bytes) {
  writeFileSync(path, Buffer.from(textsOf('dist', '.js').join('\n')).subarray(0, bytes))
}
