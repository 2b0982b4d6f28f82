// Processes that end in the middle of work: by process.exit, by an error that nobody catches, with a worker at work, too.

import { Random } from 'espalier'
import { PRELUDE, runProgram } from './child.mjs'

/** @type {Record<string, { source: (delay: number) => string, status: number }>} */
const WAYS = {
  exit: { source: (delay) => `train(() => {}); setTimeout(() => process.exit(7), ${delay})`, status: 7 },
  'uncaught error': {
    source: (delay) => `train(() => {}); setTimeout(() => { throw new Error('mine') }, ${delay})`,
    status: 1,
  },
  'exit with a worker': {
    source: (delay) => `
      const { Worker } = await import('node:worker_threads')
      const source = ${JSON.stringify(`${PRELUDE}; train(() => {})`)}
      new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)))
      train(() => {}); setTimeout(() => process.exit(7), ${delay})`,
    status: 7,
  },
  'exit while it loads': {
    source: () => `train(() => {}); setTimeout(() => process.exit(7), 0)`,
    status: 7,
  },
}

/** @param {number} total */
export async function exits(total) {
  const random = new Random(1)
  const ways = Object.entries(WAYS)
  for (let k = 0; k < total; k++) {
    const [name, { source, status: wanted }] = /** @type {(typeof ways)[number]} */ (ways[k % ways.length])
    const delay = random.integer(0, 600)
    const { status, signal, stderr } = await runProgram(`${PRELUDE}\n${source(delay)}`)
    if (status === wanted && (stderr === '' || /Error: mine/.test(stderr))) continue
    throw new Error(`${name} after ${delay} ms: status ${status}, signal ${signal}\n${stderr}`)
  }
  return `${total} in ${ways.length} ways, each with its status`
}
