// A network of a family before it is pruned, with its data and its metric: trained once, then from FOLDER/FAMILY-SEED.pt.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { adamw, batchCount, evaluate, load, lr, Run, train } from 'espalier'
import { FAMILIES } from './index.mjs'

/** Steps that a network is trained for before it is pruned. */
const BASE_STEPS = 1300

/** @typedef {{ regularized?: number, cut?: number }} Scores */

/** @param {string} name @param {number} seed @param {string} folder */
export async function networkOf(name, seed, folder) {
  const family = FAMILIES[name]
  if (family === undefined) throw new Error(`${name} is none of ${Object.keys(FAMILIES).join(', ')}`)
  const data = family.data()
  const { classAxis, augment, metric } = family
  const common = { classAxis, augment, seed }
  const path = join(folder, `${name}-${seed}.pt`)
  const base = existsSync(path) ? await load(path) : await trained()
  const job = (/** @type {number} */ factor) => ({
    ...{ ...common, inputs: family.inputs(data.shape), budget: { macs: 1 / factor }, data: { train: data.train } },
  })

  /** On the test split. @param {import('espalier').ScriptModule} model @returns {Promise<number>} */
  async function score(model) {
    return Number((await evaluate(model, data.test, { classAxis, metrics: [metric] }))[metric])
  }

  /** A run, and how good the model is right before and right after its cut. @param {import('espalier').SparsifyOptions} options */
  async function sparsified(options) {
    const run = new Run(base, options)
    /** @type {Scores} */
    const scores = {}
    for await (const event of run) {
      if (event.kind === 'cutting' && run.model) scores.regularized = await score(run.model)
      if (event.kind === 'cut' && run.model) scores.cut = await score(run.model)
    }
    return { scores, result: run.result }
  }

  async function trained() {
    const model = await /** @type {import('./index.mjs').Family} */ (family).make(seed)
    const epochs = Math.ceil(BASE_STEPS / batchCount(data.train, 64))
    const phase = { epochs, optimizer: adamw({ lr: 3e-3 }), schedule: lr.cosine(), clipNorm: 1 }
    for await (const _ of train(model, { ...common, data: { train: data.train }, ...phase }));
    await model.save(path)
    return model
  }

  return { base, common, data, metric, job, score, sparsified }
}

/** What a run tells of a phase. @param {unknown} phase */
export function described(phase) {
  return /** @type {{ epochs: number, batchSize: number, optimizer: { lr: number } }} */ (phase)
}
