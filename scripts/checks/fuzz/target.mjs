// The program that is fuzzed: loads, records and prunes one file after another, and says what became of each. A refusal
// with a code is as good as a result.
//
// Over the channel: {path, inputs} in; {outcome} out, where an outcome is 'ok', a code, or 'untyped: …'.

import { EspalierError, load, prune, setThreads, Tensor } from 'espalier'
import { analyse } from 'espalier/analysis'
import { readInputs } from '../corpus/files.mjs'

/** @typedef {{ path: string, shapes?: number[][], io?: import('../corpus/files.mjs').CorpusFile['io'] }} Task */

// A program may run without end: below the time at which drive.mjs calls it a hang.
const PATIENCE_MS = 5000

setThreads(1)

/** @param {Task} task */
async function run({ path, shapes, io }) {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const model = await load(path, { signal })
  try {
    const inputs = io
      ? readInputs(io).map(({ data, shape, dtype }) => Tensor.from(data, shape, { dtype }))
      : (shapes ?? []).map((shape) => Tensor.full(shape, 0.5))
    const recording = await model.record(inputs, { signal })
    analyse(recording.record)
    recording.dispose()
    const { small } = await prune(model, { inputs, ratio: 0.5, signal })
    small.dispose()
  } finally {
    model.dispose()
  }
  return 'ok'
}

process.on('message', async (/** @type {Task} */ task) => {
  /** @type {string} */
  let outcome
  try {
    outcome = await run(task)
  } catch (error) {
    outcome = error instanceof EspalierError ? error.code : `untyped: ${error instanceof Error ? error.stack : error}`
  }
  process.send?.({ outcome })
})
