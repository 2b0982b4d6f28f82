// The memory limit of the process, set and lifted while two workers train: they hear of it as a typed error, go on when it is
// lifted, and end well.

import { PRELUDE, runProgram } from './child.mjs'

const WORKER = `
  const { parentPort } = await import('node:worker_threads')
  ${PRELUDE}
  let [refused, ended] = [0, false]
  parentPort.on('message', () => { ended = true })
  while (!ended) {
    try {
      await train(() => { if (ended) throw new Error('ended') })
    } catch (error) {
      if (error.message === 'ended') break
      if (error.code !== 'ERR_TORCH' || !/out of memory/.test(error.message)) throw error
      refused++
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  let more = 0
  await train(() => { if (++more === 20) throw new Error('ended') }).catch((error) => { if (error.message !== 'ended') throw error })
  parentPort.postMessage(refused)
  parentPort.close()`

/** @param {number} total */
export async function limits(total) {
  const { status, signal, stdout, stderr } = await runProgram(`
    const { Worker } = await import('node:worker_threads')
    const { setMemoryLimit } = await import(${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)})
    const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(WORKER)}))
    let refused = 0
    const workers = [1, 2].map(() => new Worker(url))
    const ends = workers.map((worker) => new Promise((resolve, reject) => {
      worker.on('message', (count) => { refused += count }).on('error', reject).on('exit', resolve)
    }))
    const wait = (time) => new Promise((resolve) => setTimeout(resolve, time))
    await wait(2000)
    for (let k = 0; k < ${total}; k++) {
      setMemoryLimit(1)
      await wait(20 + (k % 7) * 20)
      setMemoryLimit(Number.MAX_SAFE_INTEGER)
      await wait(20 + (k % 5) * 20)
    }
    for (const worker of workers) worker.postMessage('end')
    await Promise.all(ends)
    console.log(refused)`)
  if (status !== 0 || stderr !== '' || !(Number(stdout) > 0)) {
    throw new Error(`status ${status}, signal ${signal}\n${stdout}${stderr}`)
  }
  return `${total} limits, ${Number(stdout)} steps refused, both trainings went on`
}
