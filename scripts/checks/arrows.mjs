// Which folder of lib/, and of native/, may import which: `npm run lint` runs this. A folder imports those of its row and
// what they may import; so there is no circle. Types count as values do.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const at = (/** @type {string} */ path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** In the order in which data flow. @type {Readonly<Record<string, readonly string[]>>} */
const LIB = {
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
  config: ['run'],
  page: ['run'],
  cli: ['config', 'page'],
  'index.ts': ['run'],
  'analysis.ts': ['run'],
}

/** `script` stands for all of its folders, of which `SCRIPT` tells. @type {Readonly<Record<string, readonly string[]>>} */
const NATIVE = {
  loader: [],
  archive: [],
  ops: [],
  script: [],
  binding: ['archive', 'ops', 'script', 'loader'],
}

/** @type {Readonly<Record<string, readonly string[]>>} */
const SCRIPT = {
  'error.h': [],
  'quiet.h': [],
  'error.cc': ['error.h'],
  'quiet.cc': ['quiet.h'],
  checks: ['error.h'],
  module: ['error.h', 'quiet.h'],
  graph: ['module'],
  record: ['checks', 'graph'],
  edits: ['record'],
  methods: ['edits'],
  surgery: ['methods'],
}

/** @param {typeof LIB} arrows @param {string} folder @returns {Set<string>} All that it may import. */
function reach(arrows, folder) {
  const own = arrows[folder] ?? []
  return new Set(own.flatMap((next) => [next, ...reach(arrows, next)]))
}

const room = (/** @type {string} */ file) => /** @type {string} */ (file.split('/')[0])

/**
 * @param {string} root
 * @param {typeof LIB} arrows
 * @param {RegExp} imports the first group is what is imported
 * @param {(file: string, target: string) => string | undefined} resolved relative to the root; undefined: not of this tree
 */
function faultsOf(root, arrows, imports, resolved) {
  const files = readdirSync(at(root), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(ts|h|cc|cu|cuh)$/.test(name),
  )
  return files.flatMap((file) => {
    const own = room(file)
    if (arrows[own] === undefined) return [`${root}/${file}: its folder has no row in scripts/checks/arrows.mjs`]
    const allowed = reach(arrows, own).add(own)
    return [...readFileSync(join(at(root), file), 'utf8').matchAll(imports)].flatMap(([, target]) => {
      const to = resolved(file, /** @type {string} */ (target))
      if (to === undefined || allowed.has(room(to))) return []
      return [`${root}/${file} imports ${room(to)}, which ${own} may not`]
    })
  })
}

const faults = [
  ...faultsOf('lib', LIB, /(?:from|import\()\s*'(\.[^']+)'/g, (file, target) => {
    const to = relative(at('lib'), resolve(at('lib'), dirname(file), target))
    // The command line reads the version beside lib/.
    return to.startsWith('..') ? undefined : to
  }),
  ...faultsOf('native', NATIVE, /#include "([^"]+)"/g, (_, target) => target),
  ...faultsOf('native/script', SCRIPT, /#include "script\/([^"]+)"/g, (_, target) => target),
]
for (const fault of faults) console.log(fault)
if (faults.length > 0) process.exit(1)
