// Files that are not trusted, looked into by several workers at once: good ones, damaged ones, ones that ask for too much.
// Each gets the answer to its own question, and no process is left.

import { runProgram } from './child.mjs'

const espalier = JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)
const file = JSON.stringify(new URL('../../../examples/data/resnet8.script.pt', import.meta.url).pathname)

const WORKER = `
  const { readFileSync } = await import('node:fs')
  const { parentPort, workerData } = await import('node:worker_threads')
  const { loadUntrusted } = await import(${espalier})
  const bytes = readFileSync(${file})
  const ways = [
    [() => loadUntrusted(bytes), 'parameters'],
    [() => loadUntrusted(bytes.subarray(0, bytes.length / 2)), 'ERR_MODEL_FILE'],
    [() => loadUntrusted(bytes, { limits: { entries: 2 } }), 'ERR_LIMIT'],
    [() => loadUntrusted(bytes, { timeout: 1 }), 'ERR_LIMIT'],
    [() => loadUntrusted(bytes, { signal: AbortSignal.timeout(50) }), 'ERR_ABORTED'],
  ]
  for (let k = 0; k < workerData; k++) {
    const [look, wanted] = ways[k % ways.length]
    const said = await look().then(({ parameters }) => (parameters.size > 0 ? 'parameters' : 'none'), (error) => error.code)
    if (said !== wanted) throw new Error(k + ': ' + said + ' in place of ' + wanted)
  }
  parentPort.postMessage(workerData)`

/** @param {number} total */
export async function untrusted(total) {
  const workers = 3
  const each = Math.ceil(total / workers)
  const { status, signal, stdout, stderr } = await runProgram(`
    import { readFileSync } from 'node:fs'
    import { Worker } from 'node:worker_threads'
    const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(WORKER)}))
    let done = 0
    await Promise.all(Array.from({ length: ${workers} }, () => new Promise((resolve, reject) => {
      new Worker(url, { workerData: ${each} }).on('message', (count) => { done += count }).on('error', reject).on('exit', resolve)
    })))
    const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim()
    console.log(done, children === '' ? 'none left' : children)`)
  if (status !== 0 || stdout !== `${workers * each} none left\n` || stderr !== '') {
    throw new Error(`status ${status}, signal ${signal}\n${stdout}${stderr}`)
  }
  return `${workers * each} files in ${workers} workers, each with its own answer`
}
