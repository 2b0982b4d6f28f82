// Gives files to child processes, one after another, and notes which of them crash, hang, or fail without a code.

import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @typedef {import('./target.mjs').Task} Task */
/** @typedef {{ task: Task, outcome: string, ms: number }} Result  outcome: 'ok', a code, 'untyped: …', 'crash: …' or 'hang' */

const TARGET = fileURLToPath(new URL('target.mjs', import.meta.url))

/** @param {Result} result */
export const isFault = ({ outcome }) => /^(untyped|crash|hang)/.test(outcome)

/** One child process; another takes its place after a crash or a hang. */
class Child {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #process
  #stderr = ''
  /** @param {number} limitMs @param {NodeJS.ProcessEnv} env @param {string} cwd */
  constructor(limitMs, env, cwd) {
    this.limitMs = limitMs
    this.env = env
    this.cwd = cwd
  }

  #start() {
    const { cwd } = this
    const env = { ...process.env, ...this.env }
    const child = fork(TARGET, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env, cwd })
    this.#stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      this.#stderr = (this.#stderr + text).slice(0, 20_000)
    })
    return child
  }

  /** @param {Task} task @returns {Promise<Result>} */
  run(task) {
    this.#process ??= this.#start()
    const child = this.#process
    const start = Date.now()
    return new Promise((resolve) => {
      /** @param {string} outcome @param {boolean} ended */
      const settle = (outcome, ended) => {
        clearTimeout(timer)
        child.removeAllListeners('message')
        child.removeAllListeners('close')
        if (ended) this.#process = undefined
        resolve({ task, outcome, ms: Date.now() - start })
      }
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        settle('hang', true)
      }, this.limitMs)
      child.on('message', (/** @type {{ outcome: string }} */ { outcome }) => settle(outcome, false))
      child.on('close', (code, signal) => settle(`crash: ${signal ?? `status ${code}`} ${this.#stderr}`, true))
      child.send(task)
    })
  }

  stop() {
    this.#process?.kill('SIGKILL')
  }
}

/**
 * The children work in a folder of their own: a hostile program writes files where it runs.
 *
 * @param {Iterable<Task>} tasks with absolute paths
 * @param {{ limitMs?: number, children?: number, env?: NodeJS.ProcessEnv, onResult?: (result: Result) => void }} [options]
 * @returns {Promise<Result[]>}
 */
export async function drive(tasks, { limitMs = 10_000, children = 2, env = {}, onResult } = {}) {
  const iterator = tasks[Symbol.iterator]()
  /** @type {Result[]} */
  const results = []
  const cwd = mkdtempSync(join(tmpdir(), 'espalier-drive-'))
  const lane = async () => {
    const child = new Child(limitMs, env, cwd)
    for (let next = iterator.next(); !next.done; next = iterator.next()) {
      const result = await child.run(next.value)
      results.push(result)
      onResult?.(result)
    }
    child.stop()
  }
  try {
    await Promise.all(Array.from({ length: children }, lane))
    return results
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

/** @param {readonly Result[]} results @returns {string} */
export function formatTotals(results) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const { outcome } of results) {
    const key = outcome.split(/[ :]/)[0] ?? ''
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${count} ${outcome}`)
  const slowest = Math.max(0, ...results.map(({ ms }) => ms))
  return `${results.length} files: ${parts.join(', ')}; the slowest took ${(slowest / 1000).toFixed(1)} s`
}
