// Runs a command of the set-up: nothing is silent for more than 5 s, and its own output is shown in full when it fails.

import { spawn } from 'node:child_process'

const HEARTBEAT = 4000

/**
 * @param {string} label what is being done
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, show?: (line: string) => boolean }} [options] `show` picks the lines
 * that are printed as they come
 * @returns {Promise<void>} rejects when the command fails
 */
export async function run(label, command, args, { cwd, env, show = () => false } = {}) {
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  let last = Date.now()
  /** @param {string} line */
  const print = (line) => {
    console.log(line)
    last = Date.now()
  }
  print(label)
  const timer = setInterval(() => {
    if (Date.now() - last >= HEARTBEAT) print(`  … ${label}, ${seconds()} s`)
  }, 500)
  try {
    const output = await collect(spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }), (line) => {
      if (show(line)) print(`  ${line}`)
    })
    if (output.status !== 0) throw new Error(`${output.text}\n${label}: ${command} failed (${output.status})`)
  } finally {
    clearInterval(timer)
  }
}

/**
 * @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} child
 * @param {(line: string) => void} onLine
 * @returns {Promise<{ status: number | string, text: string }>}
 */
function collect(child, onLine) {
  return new Promise((done) => {
    let text = ''
    let rest = ''
    /** @param {Buffer} chunk */
    const take = (chunk) => {
      text += chunk
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => done({ status: error.message, text }))
    child.on('close', (code, signal) => done({ status: code ?? signal ?? 'killed', text }))
  })
}
