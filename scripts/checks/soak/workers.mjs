// Workers that load the package, in every order: one after another and side by side, before, after and without the main
// thread, to their own end, by process.exit and by terminate() in the middle of work.

import { PRELUDE, runProgram } from './child.mjs'

const ENDINGS = {
  itself: `parentPort.postMessage('done')`,
  exit: `train(() => process.exit(0)).catch(() => {})`,
  terminate: `train((step) => { if (step === 1) parentPort.postMessage('terminate') }).catch(() => {})`,
}

const BODY = `
  import { parentPort, workerData } from 'node:worker_threads'
  ${PRELUDE}
  const endings = { ${Object.entries(ENDINGS)
    .map(([name, source]) => `${name}: async () => { ${source} }`)
    .join(',')} }
  await load(${JSON.stringify(new URL('../../../examples/data/resnet8.script.pt', import.meta.url).pathname)})
  await endings[workerData]()`

/** @param {{ count: number, atOnce: number, main: 'never' | 'before' | 'after' }} order */
function program({ count, atOnce, main }) {
  const load = `await (await import(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)})).load(${JSON.stringify(new URL('../../../examples/data/resnet8.script.pt', import.meta.url).pathname)})`
  return `
    import { Worker } from 'node:worker_threads'
    const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(BODY)}))
    const endings = ${JSON.stringify(Object.keys(ENDINGS))}
    let errors = 0
    const one = (k) => new Promise((ended) => {
      const worker = new Worker(url, { workerData: endings[k % endings.length] })
      worker.on('message', (what) => { if (what === 'terminate') worker.terminate() })
      worker.on('error', (error) => { errors++; console.error(error) })
      worker.on('exit', ended)
    })
    ${main === 'before' ? load : ''}
    let next = 0
    const lane = async () => { while (next < ${count}) await one(next++) }
    await Promise.all(Array.from({ length: ${atOnce} }, lane))
    ${main === 'after' ? load : ''}
    console.log('ended', next, errors)`
}

/** @param {number} total */
export async function workers(total) {
  const orders = [1, 3].flatMap((atOnce) =>
    /** @type {const} */ (['never', 'before', 'after']).map((main) => ({ atOnce, main })),
  )
  const count = Math.ceil(total / orders.length)
  for (const order of orders) {
    const { status, signal, stdout, stderr } = await runProgram(program({ ...order, count }))
    if (status === 0 && stdout === `ended ${count} 0\n` && stderr === '') continue
    throw new Error(`${JSON.stringify(order)}: status ${status}, signal ${signal}\n${stdout}${stderr}`)
  }
  return `${count * orders.length} in ${orders.length} orders, all right`
}
