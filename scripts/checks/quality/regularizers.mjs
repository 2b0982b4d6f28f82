// How much accuracy each way of pruning keeps, right after the cut and after fine-tuning: every run is a process of its own
// and one line of JSON in FOLDER/DATASET.jsonl; runs that are there already are not made again.
//
//   npm run bench:regularizers -- [--dataset digits|mnist|all] [--only METHOD] [--folder out/quality] [--jobs 2] [--quick] [--publish]
//
// --quick is the version for CI: one seed, one factor, four methods. --publish copies the results into results/ and writes
// the tables of docs/quality.md.

import { spawn } from 'node:child_process'
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { AIMS, LARGEST_DROP, METHODS, PROTOCOLS, RECOMMENDED } from './methods.mjs'
import { heading, table } from './table.mjs'

/** @typedef {import('./table.mjs').Row} Row */

const { values } = parseArgs({
  options: {
    dataset: { type: 'string', default: 'digits' },
    only: { type: 'string' },
    folder: { type: 'string', default: 'out/quality' },
    jobs: { type: 'string', default: '2' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
  },
})
const QUICK = {
  seeds: [1],
  budgets: [4],
  methods: ['L2, one shot', 'L2, equal budget', 'greg-1, lr falls while held', RECOMMENDED],
}
/** One seed can lie below the mean of three by this much, in points. */
const ONE_SEED = 1

mkdirSync(values.folder, { recursive: true })
const datasets = values.dataset === 'all' ? Object.keys(PROTOCOLS) : [values.dataset]
const start = Date.now()
for (const dataset of datasets) {
  const protocol = PROTOCOLS[dataset]
  if (!protocol) throw new Error(`--dataset is one of ${Object.keys(PROTOCOLS).join(', ')}, all, not ${dataset}`)
  const { seeds, budgets, methods } = values.quick ? QUICK : protocol
  const file = join(values.folder, `${dataset}.jsonl`)
  const known = new Set(rowsOf(file).map(({ method, factor, seed }) => [method, factor, seed].join()))
  const wanted = methods
    .filter((method) => values.only === undefined || method === values.only)
    .flatMap((method) =>
      seeds.flatMap((seed) => (METHODS[method]?.budgets ?? budgets).map((factor) => [method, factor, seed])),
    )
    .filter((run) => !known.has(run.join()))
  console.log(`${dataset}: ${wanted.length} runs to make, ${known.size} are there`)
  const bases = wanted.length === 0 ? [] : seeds.map((seed) => ['base', 0, seed])
  await inParallel(bases, (run) => child([dataset, ...run]))
  // Long runs first: the shorter ones fill up the end.
  wanted.sort(([a], [b]) => (METHODS[b ?? '']?.epochs ?? 0) - (METHODS[a ?? '']?.epochs ?? 0))
  await inParallel(wanted, async (run) => {
    const line = await child([dataset, ...run])
    appendFileSync(file, `${line}\n`)
    /** @type {Row} */
    const row = JSON.parse(line)
    const percent = (/** @type {number | undefined} */ x) => (x === undefined ? '' : (100 * x).toFixed(2))
    console.log(
      `${dataset} ${row.method}, 1/${row.factor}, seed ${row.seed}: ${percent(row.regularized)} -> ${percent(row.cut)} -> ${percent(row.finetuned)} (${row.seconds} s)`,
    )
  })
  const rows = rowsOf(file)
  console.log(`\n${dataset}: ${heading(rows)}\n\n${table(rows)}\n`)
  judge(rows)
  if (values.publish) publish(dataset, file)
}
console.log(`finished in ${Math.round((Date.now() - start) / 1000)} s`)

/** What is there; a line that a kill has torn is dropped. @param {string} file @returns {Row[]} */
function rowsOf(file) {
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  if (whole !== text) writeFileSync(file, whole)
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** @template T @param {T[]} items @param {(item: T) => Promise<unknown>} work */
async function inParallel(items, work) {
  const queue = [...items]
  const lanes = Array.from({ length: Number(values.jobs) }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  })
  await Promise.all(lanes)
}

/** The last line that a run prints. @param {unknown[]} run @returns {Promise<string>} */
function child(run) {
  const script = fileURLToPath(new URL('run.mjs', import.meta.url))
  const process_ = spawn(process.execPath, [script, ...run.map(String), values.folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  process_.stdout.on('data', (text) => {
    output += text
  })
  return new Promise((resolve, reject) => {
    process_.on('error', reject)
    process_.on('close', (status) => {
      if (status === 0) resolve(output.trim().split('\n').at(-1) ?? '')
      else reject(new Error(`${run.join(', ')}: ended with ${status}`))
    })
  })
}

/** Holds the recommended schedule to what it must reach. @param {Row[]} rows */
function judge(rows) {
  const own = rows.filter(({ method, dataset }) => method === RECOMMENDED && dataset === 'digits')
  const drops = own.map(({ regularized = 0, cut }) => 100 * (regularized - cut))
  const problems = []
  if (drops.some((drop) => drop > LARGEST_DROP)) {
    problems.push(`loses ${Math.max(...drops).toFixed(2)} points at the cut, more than ${LARGEST_DROP}`)
  }
  for (const [factor, aim] of Object.entries(AIMS)) {
    const cuts = own.filter((row) => row.factor === Number(factor)).map(({ cut }) => 100 * cut)
    if (cuts.length === 0) continue
    const mean = cuts.reduce((a, b) => a + b, 0) / cuts.length
    const least = values.quick ? aim - ONE_SEED : aim
    if (mean < least) problems.push(`has ${mean.toFixed(2)} % right after the cut at 1/${factor}, less than ${least}`)
  }
  for (const problem of problems) console.log(`NOT reached: '${RECOMMENDED}' ${problem}`)
  if (problems.length > 0) process.exitCode = 1
}

/** @param {string} dataset @param {string} file */
function publish(dataset, file) {
  const results = fileURLToPath(new URL('results/', import.meta.url))
  mkdirSync(results, { recursive: true })
  copyFileSync(file, join(results, `${dataset}.jsonl`))
  const path = fileURLToPath(new URL('../../../docs/quality.md', import.meta.url))
  const rows = rowsOf(file)
  const [before, after] = [`<!-- quality:${dataset} -->`, `<!-- /quality:${dataset} -->`]
  const page = readFileSync(path, 'utf8')
  const [from, to] = [page.indexOf(before), page.indexOf(after)]
  if (from < 0 || to < from) throw new Error(`docs/quality.md has no ${before} … ${after}`)
  writeFileSync(path, `${page.slice(0, from)}${before}\n${heading(rows)}\n\n${table(rows)}\n${page.slice(to)}`)
}
