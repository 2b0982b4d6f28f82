// Runs one model file in a process of its own: a crash or a hang of native code is then a result like any other. What
// happens within is sent as it happens; `limitMs` is the longest silence.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PRUNE = fileURLToPath(new URL('prune.mjs', import.meta.url))

/**
 * What the child says of a file: first the groups, then each mode.
 *
 * @typedef {object} Analysed
 * @property {'analysed'} kind
 * @property {string[]} [modes]          in which it is pruned: those asked for, and those for attention where there is some
 * @property {number} coverage          0..1
 * @property {string[]} untaken         parameters that only a branch reads which the example does not take
 * @property {{ reason: string, elements: number }[]} frozen  why parameter elements can't be pruned, largest first
 * @property {OurGroup[]} groups
 * @property {OurFrozen[]} dimensions   of parameters, no part of which can be pruned
 *
 * @typedef {{ kind: string, size: number, members: OurMember[] }} OurGroup
 * @typedef {{ name: string, dim: number, reasons: string[] }} OurFrozen
 * @typedef {{ name: string, use: string, dim: number, coords: number[], units: number[] }} OurMember
 *
 * @typedef {object} Pruned
 * @property {'mode'} kind
 * @property {string} mode
 * @property {'pruned' | 'nothing' | 'refused' | 'failed'} status  nothing: the mode has nothing to remove
 * @property {string} [reason]          why not
 * @property {string} [code]            of the error
 * @property {string} [operator]        that it names
 * @property {string} [message]
 * @property {[number, number]} [params]
 * @property {[number, number]} [macs]
 * @property {string[]} [whole]         products of attention of which nothing was removed, and why
 * @property {string[]} [approximate]   norms and means that compute over what is kept
 * @property {string} [pruned]          the file written
 * @property {string} [manifest]
 * @property {number} ms
 *
 * @typedef {{ path: string, io: { header: string, data: string }, modes: string[], attention?: boolean, ratio: number,
 *   out: string }} Task
 */

/**
 * @param {Task} task
 * @param {{ limitMs?: number, script?: string }} [options]
 * @returns {Promise<{ analysed?: Analysed, modes: Pruned[] }>} every mode of the task, failed ones included
 */
export function runChild(task, { limitMs = 30_000, script = PRUNE } = {}) {
  return new Promise((resolve) => {
    const started = Date.now()
    /** @type {Analysed | undefined} */
    let analysed
    /** @type {Pruned[]} */
    const modes = []
    let stderr = ''
    let hung = false
    const child = fork(script, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const kill = () => {
      hung = true
      child.kill('SIGKILL')
    }
    let limit = setTimeout(kill, limitMs)
    child.on('message', (/** @type {Analysed | Pruned} */ message) => {
      clearTimeout(limit)
      limit = setTimeout(kill, limitMs)
      if (message.kind === 'analysed') analysed = message
      else modes.push(message)
    })
    child.stderr?.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      stderr = (stderr + text).slice(-2000)
    })
    child.on('close', (status, signal) => {
      clearTimeout(limit)
      const why = hung
        ? `no answer within ${limitMs / 1000} s`
        : `the process ended with ${signal ?? `status ${status}`}`
      const message = `${why}${stderr.trim() && `: ${stderr.trim().split('\n').at(-1)}`}`
      const wanted = analysed?.modes ?? task.modes
      const unfinished = modes.length < wanted.length
      const rows = wanted.map((mode) => {
        const known = modes.find((row) => row.mode === mode)
        // A process that does all its work and then dies has failed too.
        if (known && (unfinished || status === 0)) return known
        /** @type {Pruned} */
        const failed = { kind: 'mode', mode, status: 'failed', message, ms: Date.now() - started }
        return failed
      })
      resolve({ ...(analysed && { analysed }), modes: rows })
    })
  })
}
