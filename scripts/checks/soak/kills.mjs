// A run that is killed at random moments and goes on from its checkpoint, over and over, ends bit by bit as one that was
// never killed: weights, file, mode, losses (test/run/job.mjs says them all).

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Random } from 'espalier'
import { runNode } from './child.mjs'

const JOB = fileURLToPath(new URL('../../../test/run/job.mjs', import.meta.url))

/** @param {string[]} args @param {number} [killAfter] */
const job = (args, killAfter) => runNode([JOB, 'run', ...args], killAfter === undefined ? {} : { killAfter })

/** @param {number} total */
export async function kills(total) {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-kills-'))
  try {
    const random = new Random(1)
    const start = performance.now()
    const wanted = (await job(['greg1'])).stdout
    const whole = performance.now() - start
    if (wanted === '') throw new Error('the run that is never killed does not end')
    let killed = 0
    let runs = 0
    while (killed < total) {
      const path = join(folder, `${runs++}.ckpt`)
      let ended
      while (ended === undefined) {
        const { status, stdout, stderr } = await job(['greg1', path], (0.2 + 0.9 * random.uniform()) * whole)
        if (status === null) killed++
        else if (status === 0) ended = stdout
        else throw new Error(`a run that goes on fails: ${stderr}`)
      }
      if (ended !== wanted) throw new Error(`run ${runs}, after ${killed} kills in all, ends otherwise`)
    }
    return `${killed} of ${runs} runs, each ended bit by bit as the one without kills`
  } finally {
    rmSync(folder, { recursive: true })
  }
}
