// What a step of training costs on the device, alone and with the default regularizer, beside PyTorch's on the same file.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchCount, fading, inMemory, load, Prunable, Random, sgd, Tensor, train } from 'espalier'

const [EPOCHS, STEPS, BATCH, SIZE] = [7, 30, 64, 64]
/** The first passes load kernels, and choose among them. */
const WARM = 2

/** @typedef {{ plain: number[], regularized: number[], pytorch: number[] }} Times milliseconds of a step, by epoch */

/**
 * @param {(args: string[]) => any} python runs training.py
 * @param {import('espalier/torch').Device} device
 * @returns {Promise<Record<string, Times>>}
 */
export async function timeTraining(python, device) {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-gpu-'))
  /** @type {Record<string, Times>} */
  const found = {}
  try {
    for (const name of python(['make', folder])) {
      const file = join(folder, `${name}.pt`)
      const pytorch = python(['time', file, device, ...[EPOCHS, STEPS, BATCH, SIZE].map(String)]).slice(WARM)
      found[name] = { plain: await timed(file, device, false), regularized: await timed(file, device, true), pytorch }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return found
}

/** @param {string} file @param {import('espalier/torch').Device} device @param {boolean} regularized */
async function timed(file, device, regularized) {
  const data = images()
  const prunable = await Prunable.of(await (await load(file)).to(device), {
    inputs: [Tensor.zeros([1, 3, SIZE, SIZE]).to(device)],
  })
  const { model, analysis: groups } = prunable
  const { removed } = prunable.plan(await prunable.score(), { budget: { macs: 0.5 } })
  const iterations = EPOCHS * batchCount(data, BATCH)
  const regularizer = regularized ? await fading().attach({ model, groups, removed, iterations }) : undefined
  const times = []
  const phase = { epochs: EPOCHS, batchSize: BATCH, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) }
  for await (const event of train(model, { data: { train: data }, loss: 'cross-entropy', regularizer, ...phase })) {
    if (event.kind === 'epoch') times.push((1e3 * event.seconds) / STEPS)
  }
  prunable.dispose()
  return times.slice(WARM)
}

function images() {
  const random = new Random(0)
  const [size, area] = [STEPS * BATCH, 3 * SIZE * SIZE]
  const x = Float32Array.from({ length: size * area }, () => random.uniform() - 0.5)
  const y = BigInt64Array.from({ length: size }, () => BigInt(random.integer(0, 999)))
  return inMemory({ data: x, shape: [size, 3, SIZE, SIZE] }, { data: y, shape: [size] })
}
