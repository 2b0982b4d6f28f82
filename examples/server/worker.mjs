// Answers with a model, in a thread of its own: { id, pixels } in, { id, digit } out.

import { parentPort, workerData } from 'node:worker_threads'
import { load, scope, setThreads, Tensor } from 'espalier'

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)

// An answer is short: one core is enough, and the others stay with the training.
await setThreads(1)
const model = await load(workerData.model)
port.on('message', async ({ id, pixels }) => {
  await scope(async () => {
    const scores = await model.forward(Tensor.from(pixels, [1, 1, 8, 8]))
    const list = [.../** @type {Tensor} */ (scores).data()].map(Number)
    port.postMessage({ id, digit: list.indexOf(Math.max(...list)) })
  })
})
port.postMessage('ready')
