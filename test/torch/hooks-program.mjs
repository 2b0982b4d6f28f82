// A backward pass, or a run of a module, that waits in a hook while its environment ends, in the way that the argument
// names; see hooks.test.ts.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { call, load, Tensor } from 'espalier'

/** @param {() => void} onHook */
async function backward(onHook) {
  const x = Tensor.from([1, 2], [2], { requiresGrad: true })
  x.registerHook(onHook)
  await /** @type {Tensor} */ (call('aten::sum', [x])).backward()
}

/** @param {() => void} onHook */
async function forward(onHook) {
  const model = await load(fileURLToPath(new URL('../../examples/data/resnet8.trace.pt', import.meta.url)))
  model.registerForwardHook('layer1', onHook)
  await model.forward(Tensor.zeros([1, 1, 8, 8]))
}

const [, , ending, what] = process.argv
const wait = what === 'module' ? forward : backward
if (!isMainThread) {
  await wait(() => {
    parentPort?.postMessage('in the hook')
    // Long enough to be terminated here.
    for (const end = Date.now() + 5000; Date.now() < end; );
  })
} else if (ending === 'exit') await wait(() => process.exit(3))
else {
  const worker = new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) })
  worker.on('message', () => worker.terminate().then(() => console.log('terminated')))
}
