// A backward pass that waits in a hook while its environment ends, in the way that the argument names; see hooks.test.ts.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { call, Tensor } from 'espalier'

/** @param {() => void} onHook */
async function backward(onHook) {
  const x = Tensor.from([1, 2], [2], { requiresGrad: true })
  x.registerHook(onHook)
  await /** @type {Tensor} */ (call('aten::sum', [x])).backward()
}

const ending = process.argv[2]
if (!isMainThread) {
  await backward(() => {
    parentPort?.postMessage('in the hook')
    // Long enough to be terminated here.
    for (const end = Date.now() + 5000; Date.now() < end; );
  })
} else if (ending === 'exit') await backward(() => process.exit(3))
else {
  const worker = new Worker(fileURLToPath(import.meta.url))
  worker.on('message', () => worker.terminate().then(() => console.log('terminated')))
}
