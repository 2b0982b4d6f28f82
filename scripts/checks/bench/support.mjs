// What the benchmarks share: the other side in plain PyTorch, and how times are told.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findPython } from '../../setup/python-env.mjs'

/** @param {number[]} times */
export const summary = (times) => {
  const sorted = [...times].sort((a, b) => a - b)
  return { min: sorted[0] ?? Number.NaN, median: sorted[sorted.length >> 1] ?? Number.NaN }
}

/** @param {number} x */
export const ms = (x) => `${x < 100 ? x.toFixed(1) : x.toFixed(0)} ms`

/**
 * Plain PyTorch in a process of its own, which has written its networks to the folder.
 * @param {string} folder @param {string[]} names of networks; all by default
 */
export async function startPython(folder, ...names) {
  const { python, reason } = findPython()
  if (!python) throw new Error(reason)
  const script = fileURLToPath(new URL('models.py', import.meta.url))
  const child = spawn(python, ['-W', 'ignore', script, folder, ...names], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('Python ended')
    return String(value)
  }
  /** @param {string} name @param {string} kind */
  const ask = async (name, kind) => {
    child.stdin.write(`${name} ${kind}\n`)
    return Number(await next())
  }
  await next()
  return {
    /** Milliseconds of a forward without gradients. @param {string} name */
    forward: (name) => ask(name, 'forward'),
    /** Milliseconds of a forward and backward at batch 1. @param {string} name */
    backward: (name) => ask(name, 'backward'),
    stop: () => child.kill(),
  }
}
