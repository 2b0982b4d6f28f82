// What the default loses at the cut under other conditions than those that it would choose itself, and what the rule of `growing` loses
// by how strong it is, in its exact form and on the plan's units alone. One seed.
//
//   npm run bench:conditions -- [--folder out/families] [--quick] [--publish]
//
// --publish writes the tables of docs/quality.md. What is lost without a word of warning ends the script with 1.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { adamw, batchCount, growing, lr, Run, setThreads, sgd } from 'espalier'
import { described, networkOf } from './families/base.mjs'
import { between } from './families/table.mjs'

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: 'out/families' },
    quick: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
  },
})

/** What may be lost at the cut, in points. */
const MOST = 0.5
const FACTOR = 4
const held = lr.cosine({ hold: 0.6, floor: 0.05 })

/** @typedef {'sgd' | 'adamw'} OptimizerName */
/** @typedef {{ rate: number, momentum?: number, batchSize: number, steps: number }} Condition */
/** @type {[string, OptimizerName][]} */
const NETWORKS = values.quick
  ? [['lstm', 'adamw']]
  : [
      ['resnet', 'sgd'],
      ['resnet', 'adamw'],
      ['lstm', 'sgd'],
      ['lstm', 'adamw'],
      ['vit', 'sgd'],
      ['vit', 'adamw'],
    ]
/** Each beside a phase of 500 steps with batches of 64, and momentum 0.9. @type {[string, Partial<Condition>, OptimizerName?][]} */
const CONDITIONS = [
  ['as found', {}],
  ['a tenth of the learning rate', { rate: 0.1 }],
  ['ten times the learning rate', { rate: 10 }],
  ['no momentum', { momentum: 0 }, 'sgd'],
  ['batches of 16', { batchSize: 16 }],
  ['batches of 256', { batchSize: 256 }],
  ['100 steps', { steps: 100 }],
  ['2,000 steps', { steps: 2000 }],
]
const BY_STRENGTH = [2, 4].flatMap((factor) => [1, 2, 4, 8].map((strength) => ({ factor, strength })))

setThreads(1)
mkdirSync(values.folder, { recursive: true })
let silent = 0
const conditions = [
  '| network | optimizer | conditions | learning rate | before the cut | at the cut | told |',
  '| --- | --- | --- | --- | --- | --- | --- |',
]
const strengths = [
  '| network | optimizer | MACs | rule | strength | before the cut | at the cut |',
  '| --- | --- | --- | --- | --- | --- | --- |',
]
for (const [name, optimizer] of NETWORKS) {
  const network = await networkOf(name, 1, values.folder)
  const rate = await foundRate(network, optimizer)
  for (const [words, change, only = optimizer] of CONDITIONS) {
    if (only !== optimizer) continue
    const { rate: times = 1, ...rest } = change
    const condition = { momentum: 0.9, batchSize: 64, steps: 500, rate: Number((rate * times).toPrecision(2)), ...rest }
    const { regularized, cut, told } = await underCondition(network, optimizer, condition)
    add(conditions, [name, optimizer, words, condition.rate, points(regularized), points(cut), told])
    if (told === '' && !(100 * (regularized - cut) <= MOST)) silent++
  }
  for (const target of /** @type {const} */ (['all', 'plan'])) {
    for (const { factor, strength } of values.quick ? [{ factor: FACTOR, strength: 2 }] : BY_STRENGTH) {
      const condition = { momentum: 0.9, batchSize: 64, steps: 500, rate }
      const regularizer = growing({ target, strength, updateEvery: 5 })
      const { regularized, cut } = await underCondition(network, optimizer, condition, { factor, regularizer })
      const rule = target === 'all' ? 'exact' : "`target: 'plan'`"
      add(strengths, [name, optimizer, `1/${factor}`, rule, strength, points(regularized), points(cut)])
    }
  }
  network.base.dispose()
}
if (values.publish) {
  const page = fileURLToPath(new URL('../../../docs/quality.md', import.meta.url))
  const text = between(readFileSync(page, 'utf8'), 'conditions', conditions.join('\n'))
  writeFileSync(page, between(text, 'strengths', strengths.join('\n')))
}
if (silent > 0) {
  console.log(`${silent} lost more than ${MOST} points without a word`)
  process.exitCode = 1
}

/** @typedef {Awaited<ReturnType<typeof networkOf>>} Network */

/** The learning rate of the regularized phase that the default finds. @param {Network} network @param {OptimizerName} optimizer */
async function foundRate({ base, job }, optimizer) {
  const run = new Run(base, { ...job(FACTOR), sparse: { optimizer } })
  for await (const event of run) {
    if (event.kind !== 'settings') continue
    run.model?.dispose()
    return described(event.settings.sparse).optimizer.lr
  }
  throw new Error('there are no settings')
}

/**
 * @param {Network} network @param {OptimizerName} name @param {Condition} condition
 * @param {{ factor?: number, regularizer?: import('espalier').RegularizerFactory }} [options]
 */
async function underCondition({ job, data, sparsified }, name, { rate, momentum, batchSize, steps }, options = {}) {
  const { factor = FACTOR, regularizer } = options
  const optimizer = name === 'sgd' ? sgd({ lr: rate, momentum }) : adamw({ lr: rate })
  const epochs = Math.ceil(steps / batchCount(data.train, batchSize))
  /** @type {string[]} */
  const told = []
  const onWarning = (/** @type {string} */ words) => void told.push(words)
  const sparse = { optimizer, epochs, batchSize, schedule: held }
  try {
    const { scores, result } = await sparsified({ ...job(factor), regularizer, sparse, finetune: false, onWarning })
    result.small.dispose()
    const { regularized = Number.NaN, cut = Number.NaN } = scores
    return { regularized, cut, told: told.join('; ') }
  } catch (error) {
    const { code, message } = /** @type {{ code?: string, message: string }} */ (error)
    if (code !== 'ERR_NOT_FINITE' && code !== 'ERR_INVALID_ARGUMENT') throw error
    return { regularized: Number.NaN, cut: Number.NaN, told: message }
  }
}

/** @param {number} part */
function points(part) {
  return Number.isNaN(part) ? '' : (100 * part).toFixed(1)
}

/** @param {string[]} table @param {readonly unknown[]} cells */
function add(table, cells) {
  const line = `| ${cells.join(' | ')} |`
  console.log(line)
  table.push(line)
}
