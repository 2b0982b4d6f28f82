// Wears the process boundary down: workers in every order, exits in the middle of work, kills with resume, a long training,
// files that are not trusted in several workers, and memory limits while others train. Prints a line for each part and ends with a status of 1 when one does not hold.
//
//   npm run soak -- [--workers 400] [--exits 100] [--kills 50] [--steps 3000]
//     [--untrusted 60] [--limits 100] [--only PART]

import { parseArgs } from 'node:util'
import { exits } from './exits.mjs'
import { kills } from './kills.mjs'
import { limits } from './limits.mjs'
import { steps } from './steps.mjs'
import { untrusted } from './untrusted.mjs'
import { workers } from './workers.mjs'

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '400' },
    exits: { type: 'string', default: '100' },
    kills: { type: 'string', default: '50' },
    steps: { type: 'string', default: '3000' },
    untrusted: { type: 'string', default: '60' },
    limits: { type: 'string', default: '100' },
    only: { type: 'string' },
  },
})

/** Each runs its part so many times, and gives what to say of it; it throws when something does not hold. */
const PARTS = { workers, exits, kills, steps, untrusted, limits }

for (const [name, part] of Object.entries(PARTS)) {
  if (values.only !== undefined && values.only !== name) continue
  const start = performance.now()
  try {
    const said = await part(Number(values[/** @type {keyof typeof PARTS} */ (name)]))
    console.log(`${name}: ${said}, ${Math.round((performance.now() - start) / 1000)} s`)
  } catch (error) {
    console.error(`${name}: FAILED: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
