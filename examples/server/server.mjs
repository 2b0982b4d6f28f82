// A thread answers with the small model while another model is trained: no answer waits for a step of the training.
//
//   npm install espalier && node server/server.mjs

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { adamw, load, prune, Tensor, train } from 'espalier'
import { dataFile, digits } from '../digits.js'
import { Network } from '../network.mjs'

const path = dataFile('resnet8.script.pt')
const { small } = await prune(await load(path), { inputs: [Tensor.zeros([1, 1, 8, 8])], budget: { macs: 0.9 } })
await small.save('answers.pt')

const worker = new Worker(new URL('worker.mjs', import.meta.url), { workerData: { model: 'answers.pt' } })
await once(worker, 'message')
/** @type {Map<number, (digit: number) => void>} */
const waiting = new Map()
worker.on('message', ({ id, digit }) => waiting.get(id)?.(digit))

const { train: pictures, validation } = digits()
const { inputs, targets } = await validation.batch(Int32Array.from({ length: 200 }, (_, k) => k))

/** Asks for all pictures, one after the other, and tells how long the answers took and how many were right. */
async function asked() {
  const times = []
  let right = 0
  for (let k = 0; k < 200; k++) {
    const start = performance.now()
    const answer = new Promise((resolve) => waiting.set(k, resolve))
    worker.postMessage({ id: k, pixels: inputs[0]?.data.slice(64 * k, 64 * (k + 1)) })
    if ((await answer) === Number(targets?.data[k])) right++
    times.push(performance.now() - start)
    await sleep(10)
  }
  return { times: times.sort((a, b) => a - b), right: right / 200 }
}

/** @param {number[]} times @param {number} part */
const at = (times, part) => /** @type {number} */ (times[Math.floor(part * (times.length - 1))])
/** @param {Awaited<ReturnType<typeof asked>>} answers */
const inWords = ({ times, right }) =>
  `median ${at(times, 0.5).toFixed(1)} ms, 95 % within ${at(times, 0.95).toFixed(1)} ms, all within ${at(times, 1).toFixed(1)} ms; right ${right}`

await asked()
console.log(`alone: ${inWords(await asked())}`)

// Another model, of which a step takes much longer than an answer.
const other = await network()
const steps = /** @type {number[]} */ ([])
const controller = new AbortController()
const training = (async () => {
  const phase = { epochs: 1000, batchSize: 512, optimizer: adamw({ lr: 1e-3 }) }
  let last = performance.now()
  for await (const event of train(other, {
    ...phase,
    data: { train: pictures },
    loss: 'cross-entropy',
    signal: controller.signal,
  })) {
    if (event.kind !== 'batch') continue
    steps.push(performance.now() - last)
    last = performance.now()
  }
})()
while (steps.length < 2) await sleep(10)
console.log(`while another is trained: ${inWords(await asked())}`)
controller.abort()
await training.catch((error) => {
  if (error.code !== 'ERR_ABORTED') throw error
})
steps.sort((a, b) => a - b)
console.log(`a step of the training: median ${at(steps, 0.5).toFixed(1)} ms, ${steps.length} of them`)
await worker.terminate()

/** Wide, so that there is something to do. */
function network() {
  const net = new Network(1)
  net.add(`x = torch.relu(${net.conv('x', 'a', 96, 1, 3)})`)
  for (const name of ['b', 'c', 'd']) net.add(`x = torch.relu(${net.conv('x', name, 96, 96, 3)})`)
  return net.model(net.linear('torch.mean(x, [2, 3])', 'head', 10, 96))
}
