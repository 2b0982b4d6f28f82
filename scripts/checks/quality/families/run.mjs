// All methods on one network: node run.mjs FAMILY OPTIMIZER FACTOR SEED FOLDER; a line of JSON for each. All are given the same
// call: the data, the budget and the name of the optimizer; the learning rate that the default finds is that of the others, too.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { adamw, batchCount, evaluate, greg1, load, lr, prune, Run, setThreads, sgd, train } from 'espalier'
import { GREG1_PUBLISHED } from 'espalier/analysis'
import { FAMILIES } from './index.mjs'

/** Steps that a network is trained for before it is pruned. */
const BASE_STEPS = 1300

setThreads(1)
const [name = '', optimizer = '', factor = '', seedText = '', folder = '.'] = process.argv.slice(2)
const family = FAMILIES[name]
if (family === undefined) throw new Error(`${name} is none of ${Object.keys(FAMILIES).join(', ')}`)
const seed = Number(seedText)
const data = family.data()
const { classAxis, augment, metric } = family
const common = { classAxis, augment, seed }
const path = join(folder, `${name}-${seed}.pt`)
const base = existsSync(path) ? await load(path) : await trained()
if (optimizer === 'base') process.exit()

const inputs = family.inputs(data.shape)
const budget = { macs: 1 / Number(factor) }
const job = { ...common, inputs, budget, data: { train: data.train } }
/** @type {import('espalier/analysis').Settings | undefined} */
let settings
const before = await score(base)

await report('default', () => regularized({ sparse: { optimizer: /** @type {'adamw' | 'sgd'} */ (optimizer) } }))
if (settings === undefined) throw new Error('there are no settings')
const { epochs, optimizer: described } = /** @type {{ epochs: number, optimizer: { lr: number } }} */ (settings.sparse)
const { epochs: tuning } = /** @type {{ epochs: number }} */ (settings.finetune)
const rate = described.lr
const factory = optimizer === 'sgd' ? sgd({ lr: rate, momentum: 0.9 }) : adamw({ lr: rate })
const held = lr.cosine({ hold: 0.6, floor: 0.05 })
const sparse = { epochs, optimizer: factory, schedule: held }

await report('one shot, equal budget', () =>
  cutFirst([{ epochs: epochs + tuning, optimizer: factory, schedule: lr.cosine() }]),
)
await report('masked from the start', () =>
  cutFirst([sparse, { epochs: tuning, optimizer: factory, schedule: lr.cosine() }]),
)
await report('greg-1, published', () =>
  regularized({ sparse, regularizer: greg1({ ...GREG1_PUBLISHED, stabilize: 200 }) }),
)

/** @param {string} method @param {() => Promise<object>} work */
async function report(method, work) {
  const start = performance.now()
  const row = { family: name, metric, optimizer, factor: Number(factor), seed, method, before, ...(await work()) }
  const seconds = Math.round((performance.now() - start) / 100) / 10
  console.log(JSON.stringify({ ...row, seconds }))
}

/** @param {Partial<import('espalier').SparsifyOptions>} options */
async function regularized(options) {
  const run = new Run(base, { ...job, ...options })
  /** @type {Record<string, number>} */
  const scores = {}
  for await (const event of run) {
    if (event.kind === 'settings') settings = event.settings
    if (event.kind === 'cutting' && run.model) scores.regularized = await score(run.model)
    if (event.kind === 'cut' && run.model) scores.cut = await score(run.model)
  }
  const { small, plan, held } = run.result
  const units = held.reduce((sum, { units }) => sum + units.length, 0)
  const found = /** @type {{ optimizer: { lr: number } }} */ (run.result.settings.sparse).optimizer.lr
  return { ...scores, finetuned: await score(small), lr: found, held: units, macs: plan.macs }
}

/** @param {import('espalier').Phase[]} phases */
async function cutFirst(phases) {
  const { small, plan } = await prune(base, { inputs, budget })
  const cut = await score(small)
  for (const phase of phases) for await (const _ of train(small, { ...common, data: { train: data.train }, ...phase }));
  return { cut, finetuned: await score(small), lr: rate, macs: plan.macs }
}

/** On the test split. @param {import('espalier').ScriptModule} model @returns {Promise<number>} */
async function score(model) {
  return Number((await evaluate(model, data.test, { classAxis, metrics: [metric] }))[metric])
}

async function trained() {
  const model = await /** @type {import('./index.mjs').Family} */ (family).make(seed)
  const epochs = Math.ceil(BASE_STEPS / batchCount(data.train, 64))
  const phase = { epochs, optimizer: adamw({ lr: 3e-3 }), schedule: lr.cosine(), clipNorm: 1 }
  for await (const _ of train(model, { ...common, data: { train: data.train }, ...phase }));
  await model.save(path)
  return model
}
