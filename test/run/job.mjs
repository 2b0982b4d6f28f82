// A small run for the tests of checkpoints: a network with dropout and batch norm, and augmentation. The package is given, as
// a program of its own takes the compiled one.

import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const data = new URL('../../examples/data/', import.meta.url)
const SOURCE = `
def forward(self, x: Tensor):
    x = torch.conv2d(x, self.c1.weight, None, [1, 1], [1, 1])
    x = torch.batch_norm(x, self.n1.weight, self.n1.bias, self.n1.running_mean, self.n1.running_var, self.training, 0.1, 1e-05, False)
    x = torch.relu(x)
    x = torch.dropout(x, 0.3, self.training)
    x = torch.conv2d(x, self.c2.weight, self.c2.bias, [2, 2], [1, 1])
    x = torch.relu(x)
    x = torch.flatten(torch.adaptive_avg_pool2d(x, [1, 1]), 1)
    return torch.addmm(self.fc.bias, x, torch.t(self.fc.weight))
`

/** @typedef {typeof import('espalier')} Espalier */

/** @param {Espalier} espalier */
async function network(espalier) {
  const random = new espalier.Random(5)
  /** @param {number[]} shape */
  const tensor = (...shape) => {
    const count = shape.reduce((a, b) => a * b, 1)
    return espalier.Tensor.from(
      Float32Array.from({ length: count }, () => random.uniform() - 0.5),
      shape,
      { requiresGrad: true },
    )
  }
  return espalier.define(SOURCE, {
    parameters: {
      'c1.weight': tensor(12, 1, 3, 3),
      'n1.weight': espalier.Tensor.full([12], 1, { requiresGrad: true }),
      'n1.bias': tensor(12),
      'c2.weight': tensor(10, 12, 3, 3),
      'c2.bias': tensor(10),
      'fc.weight': tensor(10, 10),
      'fc.bias': tensor(10),
    },
    buffers: { 'n1.running_mean': espalier.Tensor.zeros([12]), 'n1.running_var': espalier.Tensor.full([12], 1) },
  })
}

/** 200 digits: four steps of 56 a pass. @param {Espalier} espalier */
function digits(espalier) {
  const { shape, train } = JSON.parse(readFileSync(new URL('digits.json', data), 'utf8'))
  const x = Float32Array.from(readFileSync(new URL('digits_x_u8.bin', data)), (v) => v / 8 - 1)
  const y = BigInt64Array.from([...readFileSync(new URL('digits_y_u8.bin', data))], BigInt)
  /** @param {number} from @param {number} to */
  const part = (from, to) =>
    espalier.inMemory({ data: x, shape }, { data: y, shape: [shape[0]] }, train.slice(from, to))
  return { train: part(0, 200), validation: part(200, 260) }
}

/** @type {Record<string, (espalier: Espalier) => import('espalier').RegularizerFactory>} */
const REGULARIZERS = {
  greg1: (espalier) => espalier.greg1({ ceiling: 1, updateEvery: 2 }),
  greg2: (espalier) => espalier.greg2({ ceiling: 1, updateEvery: 2 }),
  growing: (espalier) => espalier.growing({ target: 'plan', reg: 0, deltaReg: 0.2, updateEvery: 2 }),
  fading: (espalier) => espalier.fading({ rest: 0.5, updateEvery: 2 }),
  lasso: (espalier) => espalier.groupLasso({ reg: 1e-3, updateEvery: 3 }),
  taught: (espalier) => espalier.fading({ rest: 0.5, updateEvery: 2 }),
  named: (espalier) => espalier.fading({ rest: 0.5, updateEvery: 2 }),
  extended: (espalier) => espalier.greg1({ ceiling: 0.1, updateEvery: 2 }),
  rounds: (espalier) => espalier.fading({ rest: 0.7, updateEvery: 2 }),
  'growing rounds': (espalier) => espalier.growing({ reg: 0, deltaReg: 0.02, updateEvery: 2 }),
}

/** Jobs that differ in more than the regularizer. @type {Record<string, Partial<import('espalier').SparsifyOptions>>} */
const OTHERS = {
  taught: { loss: 'cross-entropy', teacher: { temperature: 3, weight: 0.7 }, metrics: ['top5'] },
  named: { sparse: { epochs: 3, batchSize: 56 }, finetune: { epochs: 2, optimizer: 'sgd' }, loss: undefined },
  extended: { extend: 0.7, maxDrop: 1 },
  rounds: { rounds: 2, budget: { macs: 0.4 }, metrics: ['top5'] },
  'growing rounds': { rounds: 3, budget: { params: 0.4 } },
}

/**
 * @param {Espalier} espalier
 * @param {string} regularizer
 * @param {string} [path]
 * @param {Partial<import('espalier').SparsifyOptions>} [over]
 */
export async function job(espalier, regularizer, path, over = {}) {
  espalier.setThreads(1)
  const model = await network(espalier)
  const optimizer = regularizer === 'growing' ? espalier.adamw({ lr: 0.01 }) : espalier.sgd({ lr: 0.05, momentum: 0.9 })
  const regularize = REGULARIZERS[regularizer]
  if (regularize === undefined) throw new Error(`no regularizer ${regularizer}`)
  /** @type {import('espalier').SparsifyOptions} */
  const options = {
    inputs: [espalier.Tensor.zeros([1, 1, 8, 8])],
    data: digits(espalier),
    loss: 'cross-entropy',
    budget: { macs: 0.6 },
    regularizer: regularize(espalier),
    sparse: { epochs: 3, batchSize: 56, optimizer },
    finetune: { epochs: 2, batchSize: 56, optimizer: espalier.sgd({ lr: 0.02, momentum: 0.9 }) },
    augment: espalier.randomShift({ pixels: 1, fill: -1 }),
    seed: 3,
    ...(path ? { checkpoint: { path, every: 1, resume: true } } : {}),
    ...OTHERS[regularizer],
    ...over,
  }
  return { model, options }
}

/**
 * Weights, statistics, the file and its mode, and what was measured: two runs that differ in a bit differ here.
 *
 * @param {import('espalier').SparsifyResult} result
 */
export async function fingerprint({ small, history, evaluations, regularizer, plan, held, settings }) {
  const tensors = [...small.parameters(), ...small.buffers()].map(([name, tensor]) => [
    name,
    Array.from(/** @type {Float32Array} */ (tensor.data()), Number),
  ])
  const losses = history.map(({ seconds, ...record }) => record)
  const file = createHash('sha256')
    .update(await small.toBuffer())
    .digest('hex')
  const { training } = small
  return JSON.stringify({
    tensors,
    training,
    file,
    losses,
    evaluations,
    regularizer,
    removed: plan.removed,
    held,
    settings,
  })
}

/**
 * Resumes from the checkpoint after every single step; the steps whose run ends otherwise.
 *
 * @param {Espalier} espalier @param {string} regularizer @param {string} folder
 */
async function differing(espalier, regularizer, folder) {
  const path = join(folder, 'run.ckpt')
  /** @type {string[]} */
  const steps = []
  const whole = await job(espalier, regularizer, path, {
    onEvent: (record) => {
      if (record.kind !== 'batch') return
      const copy = join(folder, `${steps.length}.ckpt`)
      copyFileSync(path, copy)
      steps.push(copy)
    },
  })
  const wanted = await fingerprint(await espalier.sparsify(whole.model, whole.options))
  const bad = []
  for (const step of steps) {
    const { model, options } = await job(espalier, regularizer, step)
    if ((await fingerprint(await espalier.sparsify(model, options))) !== wanted) bad.push(step)
  }
  return { steps: steps.length, bad }
}

// As a program: to the end, or from every step to the end; prints one line of JSON.
const [what, regularizer = '', path = ''] = process.argv.slice(2)
if (what === 'run' || what === 'every') {
  /** @type {Espalier} */
  const espalier = await import(new URL('../../dist/index.js', import.meta.url).href)
  if (what === 'every') console.log(JSON.stringify(await differing(espalier, regularizer, path)))
  else {
    const { model, options } = await job(espalier, regularizer, path)
    console.log(await fingerprint(await espalier.sparsify(model, options)))
  }
}
