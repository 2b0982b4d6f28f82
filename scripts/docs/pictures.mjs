// Draws the pictures of docs/: groups of a small network, and a run from its record. With --run it makes that run anew, which
// takes a minute; else it reads scripts/docs/run.jsonl. `npm run docs` calls it.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { groupsPicture } from './groups-picture.mjs'
import { runPicture } from './run-picture.mjs'

const path = (/** @type {string} */ name) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const RECORD = path('scripts/docs/run.jsonl')

/** By the path of its file. @returns {Promise<Record<string, string>>} */
export async function pictures() {
  const records = readFileSync(RECORD, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  /** @type {Record<string, string>} */
  const files = {}
  for (const theme of /** @type {const} */ (['light', 'dark'])) {
    files[`docs/pictures/run-${theme}.svg`] = runPicture(records, theme)
    files[`docs/pictures/groups-${theme}.svg`] = await groupsPicture(theme)
  }
  return files
}

async function makeRun() {
  const { jsonLines, load, randomShift, sparsify, Tensor } = await import('espalier')
  /** @type {typeof import('../../examples/digits.js')} */
  const { dataFile, digits } = await import(new URL('../../build/examples/digits.js', import.meta.url).href)
  await sparsify(await load(dataFile('resnet8.script.pt')), {
    inputs: [Tensor.zeros([1, 1, 8, 8])],
    data: digits(),
    budget: { macs: 0.5 },
    augment: randomShift({ pixels: 1, fill: -1 }),
    seed: 1,
    onEvent: jsonLines(RECORD),
  })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.includes('--run')) await makeRun()
  for (const [name, svg] of Object.entries(await pictures())) writeFileSync(path(name), svg)
}
