// Which folder of lib/ may import which: `npm run lint` runs this. A folder imports those of its row and what they may
// import; so there is no circle. Types count as values do.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const lib = fileURLToPath(new URL('../../lib', import.meta.url))

/** In the order in which data flow. @type {Readonly<Record<string, readonly string[]>>} */
const ARROWS = {
  base: [],
  record: ['base'],
  axes: [],
  sizes: ['record'],
  operators: ['axes', 'sizes'],
  groups: ['operators'],
  libtorch: ['record'],
  torch: ['libtorch'],
  optim: ['torch'],
  importance: ['groups', 'torch'],
  measure: ['groups', 'torch'],
  plan: ['importance', 'measure'],
  cut: ['plan'],
  regularize: ['importance', 'optim'],
  train: ['regularize'],
  manifest: ['cut', 'train'],
  report: ['measure'],
  explain: ['report'],
  draw: ['cut'],
  run: ['manifest', 'explain', 'draw'],
  cli: ['run'],
  'index.ts': ['run'],
  'analysis.ts': ['run'],
}

/** All that a folder may import. @param {string} folder @returns {Set<string>} */
function reach(folder) {
  const own = ARROWS[folder] ?? []
  return new Set(own.flatMap((next) => [next, ...reach(next)]))
}

const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
const room = (/** @type {string} */ file) => /** @type {string} */ (file.split('/')[0])
const faults = []
for (const file of files) {
  const allowed = reach(room(file)).add(room(file))
  if (ARROWS[room(file)] === undefined) faults.push(`lib/${file}: its folder has no row in scripts/checks/arrows.mjs`)
  for (const [, target] of readFileSync(join(lib, file), 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
    const to = room(relative(lib, resolve(lib, dirname(file), /** @type {string} */ (target))))
    // The command line reads the version beside lib/.
    if (!allowed.has(to) && to !== '../..') faults.push(`lib/${file} imports ${to}/, which ${room(file)}/ may not`)
  }
}
for (const fault of faults) console.log(fault)
if (faults.length > 0) process.exit(1)
