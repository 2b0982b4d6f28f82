// The oracle (test/corpus/oracle.py) as one long-lived process: importing torch costs seconds.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../../test/corpus/oracle.py', import.meta.url))

/**
 * @typedef {{ id: string, pruned: string, manifest: string }} Cut
 * @typedef {{ original: string, reference?: string | undefined, io: { header: string, data: string }, cuts: Cut[] }} Request
 * @typedef {{ weights: string, dtype: string, input: string, error: number, sensitivity: number, size: number }} OracleRun
 * @typedef {{ id: string, ok: boolean, problems: string[], error: number | null, sensitivity: number | null,
 *   double: boolean, batch2: boolean | null, size2: boolean | null, params: [number, number] | null, runs: OracleRun[], ms: number }} Verdict
 */

export class Oracle {
  /** @type {import('node:child_process').ChildProcessWithoutNullStreams | undefined} */
  #process
  /** @type {Map<string, (verdict: Verdict) => void>} */
  #waiting = new Map()
  #stderr = ''

  /** @param {string} python interpreter that has torch @param {{ limitMs?: number }} [options] time allowed for a request */
  constructor(python, { limitMs = 300_000 } = {}) {
    this.python = python
    this.limitMs = limitMs
  }

  /**
   * One verdict a cut, in the order of the cuts. A process that dies or hangs gives verdicts too: they say so.
   * @param {Request} request
   */
  async judge(request) {
    this.#process ??= this.#start()
    const verdicts = request.cuts.map(
      ({ id }) => /** @type {Promise<Verdict>} */ (new Promise((resolve) => this.#waiting.set(id, resolve))),
    )
    const limit = setTimeout(() => this.#fail(`no verdict within ${this.limitMs / 1000} s`), this.limitMs)
    this.#process.stdin.write(`${JSON.stringify(request)}\n`)
    const all = await Promise.all(verdicts)
    clearTimeout(limit)
    return all
  }

  stop() {
    this.#process?.stdin.end()
    this.#process = undefined
  }

  #start() {
    const child = spawn(this.python, [SCRIPT], { stdio: 'pipe' })
    createInterface({ input: child.stdout }).on('line', (line) => {
      const verdict = /** @type {Verdict} */ (JSON.parse(line))
      this.#waiting.get(verdict.id)?.(verdict)
      this.#waiting.delete(verdict.id)
    })
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      this.#stderr = (this.#stderr + text).slice(-2000)
    })
    child.stdin.on('error', () => undefined) // 'close' tells
    child.on('close', (status, signal) => {
      if (this.#process === child) this.#fail(`the oracle ended (${signal ?? status}): ${this.#stderr.trim()}`)
    })
    return child
  }

  /** @param {string} problem */
  #fail(problem) {
    const child = this.#process
    this.#process = undefined
    child?.kill('SIGKILL')
    for (const [id, resolve] of this.#waiting) {
      const nothing = {
        error: null,
        sensitivity: null,
        double: false,
        batch2: null,
        size2: null,
        params: null,
        runs: [],
        ms: 0,
      }
      resolve({ id, ok: false, problems: [problem], ...nothing })
    }
    this.#waiting.clear()
  }
}
