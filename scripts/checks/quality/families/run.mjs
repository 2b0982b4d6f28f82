// Methods on one network: node run.mjs FAMILY OPTIMIZER FACTOR SEED FOLDER [METHODS as JSON]; a line of JSON for each. All are given the same
// call: the data, the budget and the name of the optimizer. The learning rates that the default finds are those of the others, too: what
// is cut at the start is trained with that of the fine-tuning, which the cut network bears best.

import { adamw, greg1, growing, lr, prune, setThreads, sgd, train } from 'espalier'
import { GREG1_PUBLISHED } from 'espalier/analysis'
import { described, networkOf } from './base.mjs'
import { METHODS, ON_THEIR_OWN } from './methods.mjs'

setThreads(1)
const [name = '', optimizer = '', factor = '', seedText = '', folder = '.', wantedText] = process.argv.slice(2)
/** @type {ReadonlySet<import('./methods.mjs').Method>} */
const wanted = new Set(wantedText === undefined ? METHODS : JSON.parse(wantedText))
const seed = Number(seedText)
const { base, common, data, metric, job: jobOf, score, sparsified } = await networkOf(name, seed, folder)
if (optimizer === 'base') process.exit()

const job = jobOf(Number(factor))
const { inputs, budget } = job
/** @type {import('espalier/analysis').Settings | undefined} */
let settings
const before = await score(base)

const named = { sparse: { optimizer: /** @type {'adamw' | 'sgd'} */ (optimizer) } }
const alone = [...wanted].every((method) => ON_THEIR_OWN.has(method))
if (!alone) await (wanted.has('default') ? report('default', () => regularized(named)) : regularized(named))
await report('default, no labels', () =>
  regularized({ ...named, data: { train: unlabelled(data.train) }, loss: 'cross-entropy', teacher: true }),
)
if (alone) process.exit()
if (settings === undefined) throw new Error('there are no settings')
const [first, second] = [described(settings.sparse), described(settings.finetune)]
const factory = (/** @type {number} */ rate) =>
  optimizer === 'sgd' ? sgd({ lr: rate, momentum: 0.9 }) : adamw({ lr: rate })
const [held, falling] = [lr.cosine({ hold: 0.6, floor: 0.05 }), lr.cosine({ warmup: 0.1 })]
const sparse = { epochs: first.epochs, optimizer: factory(first.optimizer.lr), schedule: held }
const finetune = { epochs: second.epochs, optimizer: factory(second.optimizer.lr), schedule: falling }

await report('growing, strength 2', () => regularized({ sparse, finetune, regularizer: growing({ strength: 2 }) }))
await report('one shot, equal budget', () => cutFirst([{ ...finetune, epochs: first.epochs + second.epochs }]))
await report('masked from the start', () => cutFirst([{ ...finetune, epochs: first.epochs, schedule: held }, finetune]))
await report('greg-1, published', () =>
  regularized({ sparse, finetune, regularizer: greg1({ ...GREG1_PUBLISHED, stabilize: 200 }) }),
)

/** The examples alone. @param {import('espalier').Dataset} all @returns {import('espalier').Dataset} */
function unlabelled({ size, batch }) {
  return { size, batch: async (indices) => ({ inputs: (await batch(indices)).inputs }) }
}

/** @param {import('./methods.mjs').Method} method @param {() => Promise<object>} work */
async function report(method, work) {
  if (!wanted.has(method)) return
  const start = performance.now()
  const row = { family: name, metric, optimizer, factor: Number(factor), seed, method, before, ...(await work()) }
  const seconds = Math.round((performance.now() - start) / 100) / 10
  console.log(JSON.stringify({ ...row, seconds }))
}

/** @param {Partial<import('espalier').SparsifyOptions>} options */
async function regularized(options) {
  const { scores, result } = await sparsified({ ...job, ...options })
  const { small, plan, held } = result
  settings ??= result.settings
  const units = held.reduce((sum, { units }) => sum + units.length, 0)
  const rates = [result.settings.sparse, result.settings.finetune].map((phase) => described(phase).optimizer.lr)
  return { ...scores, finetuned: await score(small), lr: rates, held: units, macs: plan.macs }
}

/** @param {import('espalier').Phase[]} phases */
async function cutFirst(phases) {
  const { small, plan } = await prune(base, { inputs, budget })
  const cut = await score(small)
  for (const phase of phases) for await (const _ of train(small, { ...common, data: { train: data.train }, ...phase }));
  return { cut, finetuned: await score(small), lr: [second.optimizer.lr], macs: plan.macs }
}
