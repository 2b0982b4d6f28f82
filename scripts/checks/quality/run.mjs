// One run of `npm run bench:regularizers`, in a process of its own: prints its result as one line of JSON.
//
//   node run.mjs DATASET METHOD FACTOR SEED FOLDER

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { evaluate, groupL2, load, lr, Random, Run, randomShift, scope, setThreads, sgd, Tensor, train } from 'espalier'
import { analyse, batches, compensate, cutAndVerify, importanceContext, makePlan } from 'espalier/analysis'
import { call } from 'espalier/torch'
import { DATASETS } from './data.mjs'
import { METHODS, PROTOCOLS } from './methods.mjs'

const MIN_KEEP = 0.05
const DECAY = { momentum: 0.9, weightDecay: 5e-4 }

const [dataset = '', name = '', factor = '', seed = '', folder = ''] = process.argv.slice(2)
// Two runs at a time: each on one core.
setThreads(1)
console.log(JSON.stringify(await runOnce(dataset, name, Number(factor), Number(seed), folder)))

/** @template T @param {Record<string, T>} table @param {string} key @returns {T} */
function known(table, key) {
  const value = table[key]
  if (value === undefined) throw new Error(`'${key}' is none of ${Object.keys(table).join(', ')}`)
  return value
}

/** @param {string} dataset @param {string} name @param {number} factor @param {number} seed @param {string} folder */
async function runOnce(dataset, name, factor, seed, folder) {
  const protocol = known(PROTOCOLS, dataset)
  const data = known(DATASETS, dataset)()
  const start = performance.now()
  const augment = randomShift({ pixels: 1, fill: data.background })
  const common = { data: { train: data.train }, loss: /** @type {const} */ ('cross-entropy'), augment, seed }
  /** @param {import('espalier').ScriptModule} model */
  const accuracy = async (model) => (await evaluate(model, data.test, { loss: 'cross-entropy' })).accuracy

  const base = await baseModel(join(folder, `${dataset}-base-${seed}.pt`))
  /** @type {Record<string, unknown>} */
  const row = { dataset, method: name, factor, seed, base: await accuracy(base) }
  if (name === 'base') return row
  const method = known(METHODS, name)
  const inputs = [Tensor.zeros(data.shape)]
  const budget = { macs: 1 / factor }
  const tuning = (/** @type {number} */ epochs) => ({
    ...common,
    epochs,
    optimizer: sgd({ lr: 0.02, ...DECAY }),
    schedule: lr.cosine(),
  })
  const sparse = {
    epochs: method.epochs ?? protocol.sparse,
    optimizer: sgd({ lr: 0.01, ...DECAY }),
    schedule: method.schedule,
  }
  const importance = method.importance ?? groupL2()

  const { regularizer } = method
  if (regularizer === undefined) await cutFirst()
  else await regularized(regularizer())
  row.seconds = Math.round((performance.now() - start) / 100) / 10
  return row

  /**
   * Trained under the regularizer, with the weights as they are until the cut; then fine-tuned as it is, and compensated.
   * @param {import('espalier').RegularizerFactory} factory
   */
  async function regularized(factory) {
    const run = new Run(base, {
      ...common,
      data: { train: data.train, validation: data.selection },
      ...{ inputs, budget, minKeep: MIN_KEEP, importance, sparse, regularizer: factory },
      finetune: { epochs: protocol.finetune, optimizer: sgd({ lr: 0.02, ...DECAY }) },
      compensate: true,
    })
    let plain
    for await (const record of run) {
      const model = run.model
      if (model === undefined) continue
      if (record.kind === 'epoch' && record.phase === 'sparse') row.iterations = record.iteration
      if (record.kind === 'cutting') row.regularized = await accuracy(model)
      if (record.kind === 'plan') row.macs = record.plan.macs
      if (record.kind === 'compensated') row.compensated = await accuracy(model)
      if (record.kind === 'cut') {
        row.cut = await accuracy(model)
        plain = await model.clone()
      }
    }
    row.compensatedFinetuned = await accuracy(run.result.small)
    if (plain === undefined) throw new Error('there was no cut')
    await finish(train(plain, tuning(protocol.finetune)))
    row.finetuned = await accuracy(plain)
  }

  async function cutFirst() {
    const recording = await base.record(inputs)
    const analysis = analyse(recording.record)
    const scores = await importance(importanceContext({ model: base, groups: analysis }))
    const plan = makePlan(analysis, scores, { budget, minKeep: MIN_KEEP })
    row.macs = plan.macs
    const { small } = await cutAndVerify(base, recording, analysis, plan, inputs)
    const job = { model: base, small: await small.clone(), recording, analysis, plan, inputs, data: calibration() }
    const { small: compensated } = await compensate(job)
    ;[row.cut, row.finetuned] = await trained(small)
    ;[row.compensated, row.compensatedFinetuned] = await trained(compensated)
  }

  /** @param {import('espalier').ScriptModule} model @returns accuracy when the method counts it as cut, and at last */
  async function trained(model) {
    if (method.spends === 'mask') await finish(train(model, { ...common, ...sparse }))
    if (method.spends === 'recalibrate') await recalibrate(model)
    const cut = await accuracy(model)
    await finish(train(model, tuning(protocol.finetune + (method.spends === 'equal' ? protocol.sparse : 0))))
    return [cut, await accuracy(model)]
  }

  /** The first batches of the training data. */
  async function* calibration() {
    let batch = 0
    for await (const { inputs } of batches(data.train, { batchSize: 64 })) {
      yield inputs
      if (++batch === 8) return
    }
  }

  /** A trained network: the example's, with weights drawn anew; made once for each seed. @param {string} path */
  async function baseModel(path) {
    if (existsSync(path)) return load(path)
    const model = await load(fileURLToPath(new URL('../../../examples/data/resnet8.script.pt', import.meta.url)))
    initialise(model, new Random(seed, 1))
    const optimizer = sgd({ lr: 0.1, ...DECAY })
    await finish(train(model, { ...common, epochs: protocol.base, optimizer, schedule: lr.cosine() }))
    await model.save(path)
    return model
  }

  /** Statistics of the small network, over three passes of the training data. @param {import('espalier').ScriptModule} model */
  async function recalibrate(model) {
    const random = new Random(seed, 2)
    model.train()
    for (let pass = 0; pass < 3; pass++) {
      for await (const { inputs } of batches(data.train, { batchSize: 64, random, augment })) {
        await scope(() => model.forwardWith(inputs, { grad: false }))
      }
    }
    model.eval()
  }
}

/** @param {AsyncIterable<unknown>} records */
async function finish(records) {
  for await (const _ of records);
}

/**
 * Convolutions: normal, of variance 2 / fan out (He et al. 2015); norms: 1 and 0; linear layers: uniform.
 * @param {import('espalier').ScriptModule} model @param {Random} random
 */
function initialise(model, random) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform())
  /** @param {string} name @param {readonly number[]} shape @returns {() => number} */
  const drawn = (name, shape) => {
    if (shape.length === 4) {
      const scale = Math.sqrt(2 / (Number(shape[0]) * Number(shape[2]) * Number(shape[3])))
      return () => scale * normal()
    }
    if (shape.length === 2) return () => (2 * random.uniform() - 1) / Math.sqrt(Number(shape[1]))
    return () => (/(weight|running_var)$/.test(name) ? 1 : 0)
  }
  for (const [name, tensor] of [...model.parameters(), ...model.buffers()]) {
    if (name.endsWith('num_batches_tracked')) continue
    const values = Float32Array.from({ length: tensor.numel }, drawn(name, tensor.shape))
    scope(() => {
      call('aten::copy_', [tensor, Tensor.from(values, tensor.shape)], { noGrad: true })
    })
  }
}
