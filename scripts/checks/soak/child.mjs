// A program as a process of its own.

import { spawn } from 'node:child_process'

const espalier = new URL('../../../dist/index.js', import.meta.url).href
const data = new URL('../../../examples/data/resnet8.script.pt', import.meta.url).pathname

/** What the programs start with: `train` trains without end, and calls its argument after every step. */
export const PRELUDE = `
  const { load, inMemory, sgd, train: steps } = await import(${JSON.stringify(espalier)})
  async function train(onStep) {
    const model = await load(${JSON.stringify(data)})
    const x = { data: new Float32Array(256 * 64), shape: [256, 1, 8, 8] }
    const y = { data: new BigInt64Array(256), shape: [256] }
    const options = { data: { train: inMemory(x, y) }, loss: 'cross-entropy', optimizer: sgd({ lr: 1e-4 }), epochs: 1e6, batchSize: 32 }
    for await (const record of steps(model, options)) if (record.kind === 'batch') onStep(record.iteration)
  }`

/**
 * @param {string} source
 * @param {{ killAfter?: number }} [options] milliseconds until it is killed, if it still runs then
 * @returns {Promise<{ status: number | null, signal: string | null, stdout: string, stderr: string }>}
 */
export function runProgram(source, options = {}) {
  return runNode(['--input-type=module', '-e', source], options)
}

/**
 * @param {string[]} args
 * @param {{ killAfter?: number }} [options]
 * @returns {Promise<{ status: number | null, signal: string | null, stdout: string, stderr: string }>}
 */
export function runNode(args, { killAfter } = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter)
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (part) => {
      stdout += part
    })
    child.stderr.on('data', (part) => {
      stderr += part
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status, signal, stdout, stderr })
    })
  })
}
