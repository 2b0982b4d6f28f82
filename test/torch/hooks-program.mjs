// A backward pass, or a run of a module, that waits in a hook while its environment ends, in the way that the argument
// names; see hooks.test.ts.
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { load, scope, Tensor } from 'espalier'
import { call } from 'espalier/torch'

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

/** How many of 200 functions are still held when the tensors and modules that called them are gone. */
async function held() {
  /** @type {WeakRef<object>[]} */
  const functions = []
  const hook = () => {
    const own = () => undefined
    functions.push(new WeakRef(own))
    return own
  }
  const path = fileURLToPath(new URL('../../examples/data/resnet8.trace.pt', import.meta.url))
  const x = Tensor.zeros([1, 1, 8, 8])
  for (let k = 0; k < 50; k++) {
    const leaf = Tensor.from([1, 2], [2], { requiresGrad: true })
    leaf.registerHook(hook())
    leaf.registerHook(hook()).remove()
    leaf.dispose()
    const model = await load(path)
    model.registerForwardHook('fc', hook())
    model.registerBackwardHook('layer1', hook())
    await scope(() => model.train().forward(x))
    model.dispose()
  }
  for (let k = 0; k < 5; k++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc?.()
  }
  // The functions of hooks that have ended are let go of when the next one comes.
  const last = Tensor.from([1], [1], { requiresGrad: true })
  last.registerHook(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 20))
  globalThis.gc?.()
  return functions.filter((one) => one.deref() !== undefined).length
}

const [, , ending, what] = process.argv
const wait = what === 'module' ? forward : backward
if (!isMainThread) {
  await wait(() => {
    parentPort?.postMessage('in the hook')
    // Long enough to be terminated here.
    for (const end = Date.now() + 5000; Date.now() < end; );
  })
} else if (ending === 'held') console.log(await held())
else if (ending === 'exit') await wait(() => process.exit(3))
else {
  const worker = new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) })
  worker.on('message', () => worker.terminate().then(() => console.log('terminated')))
}
