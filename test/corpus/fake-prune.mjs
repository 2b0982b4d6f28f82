// Stands in for scripts/checks/corpus/prune.mjs: does what the name of the file says.

import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const task = JSON.parse(process.argv[2] ?? '')
const tell = (/** @type {object} */ message) => new Promise((resolve) => process.send?.(message, resolve))
const [what] = basename(task.path).split('.')

await tell({
  kind: 'analysed',
  coverage: 0.9,
  frozen: [{ reason: 'model output', elements: 10 }],
  groups: [],
  dimensions: [],
})
for (const mode of task.modes) {
  if (what === 'hang' && mode === 'global') setInterval(() => undefined, 1000)
  else if (what === 'crash' && mode === 'global') process.abort()
  else if (what === 'exit') process.exit(0)
  else if (what === 'refuse')
    await tell({ kind: 'mode', mode, status: 'refused', code: 'ERR_UNSUPPORTED', operator: 'aten::topk', ms: 1 })
  else if (what === 'nothing')
    await tell({ kind: 'mode', mode, status: 'nothing', reason: 'no group: model output', ms: 1 })
  else if (what === 'silent') await tell({ kind: 'mode', mode, status: 'nothing', ms: 1 })
  else if (what === 'nameless') await tell({ kind: 'mode', mode, status: 'refused', code: 'ERR_UNSUPPORTED', ms: 1 })
  else {
    // A cut made by hand, where the folder has one of that name.
    const cut = join(dirname(task.path), 'cuts', `${what}`)
    const files = existsSync(`${cut}.pt`) ? { pruned: `${cut}.pt`, manifest: `${cut}.json` } : {}
    const approximate = what === 'fine' && mode === 'local' ? ["aten::layer_norm in 'n'"] : []
    await tell({
      kind: 'mode',
      mode,
      status: 'pruned',
      params: [1000, 300],
      macs: [9, 5],
      ms: 1,
      approximate,
      ...files,
    })
  }
}
if (what === 'dies') process.kill(process.pid, 'SIGSEGV')
if (what !== 'hang') process.disconnect()
