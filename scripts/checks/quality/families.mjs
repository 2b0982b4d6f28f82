// How much of its quality each family of networks keeps, with one and the same call for all: right at the cut, and after fine-tuning,
// beside the same steps spent otherwise. A process for each network, optimizer, factor and seed; a line of JSON for each method in
// FOLDER/families.jsonl. What is there already is not made again.
//
//   npm run bench:quality -- [--family vit] [--seeds 1,2,3] [--folder out/families] [--jobs 2] [--quick] [--publish]
//
// --quick is the version for CI. --publish copies the lines into results/ and writes the table and the plots of docs/quality.md.

import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FAMILIES } from './families/index.mjs'
import { METHODS } from './families/methods.mjs'
import { plot } from './families/plot.mjs'
import { between, dropOf, familiesTable, shortTable } from './families/table.mjs'

/** @typedef {import('./families/table.mjs').Row} Row */

const { values } = parseArgs({
  options: {
    family: { type: 'string' },
    seeds: { type: 'string', default: '1,2,3' },
    folder: { type: 'string', default: 'out/families' },
    jobs: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
  },
})

/** What may be lost at the cut, by the factor: points of accuracy or overlap, per cent of perplexity. */
const MOST = /** @type {Record<number, { points: number, percent: number }>} */ ({
  2: { points: 0.5, percent: 1 },
  4: { points: 0.5, percent: 1 },
  8: { points: 1, percent: 1 },
})

const [families, factors, seeds, optimizers] = values.quick
  ? [['lstm', 'encoder', 'vgg'], [4], [1], ['adamw']]
  : [Object.keys(FAMILIES), [2, 4, 8], values.seeds.split(',').map(Number), ['adamw', 'sgd']]

mkdirSync(values.folder, { recursive: true })
const file = join(values.folder, 'families.jsonl')
const start = Date.now()
const chosen = families.filter((family) => values.family === undefined || family === values.family)
const known = new Set(
  rowsOf(file).map(({ family, optimizer, factor, seed, method }) => [family, optimizer, factor, seed, method].join()),
)
const jobs = seeds
  .flatMap((seed) =>
    factors.flatMap((factor) => chosen.flatMap((family) => optimizers.map((o) => [family, o, factor, seed]))),
  )
  .map((job) => [...job, JSON.stringify(METHODS.filter((method) => !known.has([...job, method].join())))])
  .filter(([, , , , missing]) => missing !== '[]')
console.log(`${jobs.length} networks to prune, ${known.size} rows are there`)
const bases = new Map(jobs.map(([family, , , seed]) => [`${family}-${seed}`, [family, 'base', 0, seed]]))
await inParallel([...bases.values()], child)
await inParallel(jobs, async (job) => {
  const lines = await child(job)
  appendFileSync(file, lines.map((line) => `${line}\n`).join(''))
  for (const line of lines) console.log(inWords(JSON.parse(line)))
})
const rows = inOrder(rowsOf(file))
console.log(`\n${shortTable(rows)}\n`)
const lost = rows.filter(({ method, factor, ...row }) => method === 'default' && dropOf(row) > most(factor, row.metric))
for (const row of lost) console.log(`NOT reached: loses ${dropOf(row).toFixed(2)} at the cut: ${inWords(row)}`)
if (lost.length > 0) process.exitCode = 1
if (values.publish) publish()
console.log(`finished in ${Math.round((Date.now() - start) / 1000)} s`)

/** @param {number} factor @param {Row['metric']} metric */
function most(factor, metric) {
  const limits = MOST[factor] ?? { points: 0.5, percent: 1 }
  return metric === 'perplexity' ? limits.percent : limits.points
}

/** @param {Row} row */
function inWords({ family, optimizer, factor, seed, method, before, regularized, cut, finetuned, seconds }) {
  const scores = [before, regularized, cut, finetuned].map((score) => (score === undefined ? '' : score.toFixed(4)))
  return `${family}, ${optimizer}, 1/${factor}, seed ${seed}, ${method}: ${scores.join(' -> ')} (${seconds} s)`
}

/** What is there; a line that a kill has torn is dropped. @param {string} path @returns {Row[]} */
function rowsOf(path) {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) writeFileSync(path, whole)
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** By factor, family, optimizer, method and seed, whatever came to its end first. @param {Row[]} rows */
function inOrder(rows) {
  /** @type {readonly ((row: Row) => number)[]} */
  const keys = [
    ({ factor }) => factor,
    ({ family }) => Object.keys(FAMILIES).indexOf(family),
    ({ optimizer }) => optimizers.indexOf(optimizer),
    ({ method }) => /** @type {readonly string[]} */ (METHODS).indexOf(method),
    ({ seed }) => seed,
  ]
  return rows.toSorted((a, b) => keys.reduce((order, key) => order || key(a) - key(b), 0))
}

/** @template T @param {T[]} items @param {(item: T) => Promise<unknown>} work */
async function inParallel(items, work) {
  const queue = [...items]
  const lanes = Array.from({ length: Number(values.jobs) }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  })
  await Promise.all(lanes)
}

/** The lines that a run prints. @param {unknown[]} job family, optimizer, factor, seed, methods @returns {Promise<string[]>} */
function child(job) {
  const script = fileURLToPath(new URL('families/run.mjs', import.meta.url))
  const [family, optimizer, factor, seed, ...missing] = job.map(String)
  const args = [family, optimizer, factor, seed, values.folder, ...missing].map(String)
  const process_ = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  process_.stdout.on('data', (text) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    process_.on('error', reject)
    process_.on('close', (status) => {
      if (status === 0) resolve(output.split('\n').filter(Boolean))
      else reject(new Error(`${job.join(', ')}: ended with ${status}`))
    })
  })
}

function publish() {
  const results = fileURLToPath(new URL('results/', import.meta.url))
  writeFileSync(join(results, 'families.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const docs = fileURLToPath(new URL('../../../docs/', import.meta.url))
  const page = join(docs, 'quality.md')
  writeFileSync(page, between(readFileSync(page, 'utf8'), 'families', familiesTable(rows)))
  for (const theme of /** @type {const} */ (['light', 'dark']))
    writeFileSync(join(docs, `quality-${theme}.svg`), plot(rows, theme))
  const readme = join(docs, '../README.md')
  writeFileSync(readme, between(readFileSync(readme, 'utf8'), 'quality', shortTable(rows)))
}
