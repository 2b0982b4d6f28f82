// Trains until it is stopped in the way that its argument names; see exit.test.ts.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { inMemory, load, sgd, train } from 'espalier'

/** @type {Record<string, () => void>} */
const endings = {
  exit: () => process.exit(3),
  throw: () => {
    throw new Error('not caught')
  },
}

/** @param {(iteration: number) => void} onStep */
async function trainForever(onStep) {
  const model = await load(fileURLToPath(new URL('../../examples/data/resnet8.script.pt', import.meta.url)))
  const examples = 512
  const x = { data: new Float32Array(examples * 64), shape: [examples, 1, 8, 8] }
  const y = { data: new BigInt64Array(examples), shape: [examples] }
  const records = train(model, {
    data: { train: inMemory(x, y) },
    loss: 'cross-entropy',
    optimizer: sgd({ lr: 1e-4 }),
    epochs: 1000,
    batchSize: 256,
  })
  for await (const record of records) if (record.kind === 'batch') onStep(record.iteration)
}

const ending = process.argv[2] ?? ''
if (!isMainThread) {
  await trainForever((iteration) => parentPort?.postMessage(iteration))
} else if (ending === 'terminate') {
  const worker = new Worker(new URL(import.meta.url))
  worker.on('message', async (iteration) => {
    if (iteration !== 3) return
    await worker.terminate()
    console.log('terminated')
  })
  worker.on('exit', () => console.log('exited'))
} else {
  // In the middle of a step: the timer runs while the native thread works.
  await trainForever((iteration) => {
    if (iteration === 3) setTimeout(() => endings[ending]?.(), 2)
  })
}
