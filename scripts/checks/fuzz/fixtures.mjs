// Mutants of the project's own small models.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutantsOf } from './mutants.mjs'

/** @param {string} name @param {number[][]} shapes */
const fixture = (name, ...shapes) => ({
  name,
  path: fileURLToPath(new URL(`../../../test/fixtures/models/${name}`, import.meta.url)),
  shapes,
})

/** Traced and scripted; with branches, loops and classes of their own. */
export const FIXTURES = [
  fixture('small.script.pt', [2, 3, 4, 4]),
  fixture('small.trace.pt', [2, 3, 4, 4]),
  fixture('odd_siamese.trace.pt', [2, 12], [2, 12]),
  fixture('toy_concat.script.pt', [2, 3, 32, 32]),
]

/**
 * Each task's file is written when its turn comes.
 *
 * @param {string} folder
 * @param {number} seed
 * @param {number} count for each fixture
 * @returns {Generator<import('./target.mjs').Task>}
 */
export function* tasksOf(folder, seed, count) {
  for (const { name, path, shapes } of FIXTURES) {
    let number = 0
    for (const { kind, bytes } of mutantsOf(readFileSync(path), seed, count)) {
      const file = join(folder, `${name.replace('.pt', '')}-${seed}-${number++}-${kind.replaceAll(/\W+/g, '-')}.pt`)
      writeFileSync(file, bytes)
      yield { path: file, shapes }
    }
  }
}
