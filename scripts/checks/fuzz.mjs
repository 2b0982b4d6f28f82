// Damaged and hostile files against load, record and prune, in child processes: no crash, no hang, no error without a
// code. Then the archive reader alone under libFuzzer, where clang is there. Ends with a status of 1 on a fault.
//
//   npm run fuzz -- [--seeds 7,8,9] [--count 200] [--seconds 60] [--keep DIR]
//                   [--folder DIR]  the files of a folder instead, which may hold a list.json of {file, base}, …
//                   [--corpus DIR]  … with the example inputs of the base in this folder
//                   [--shape 2,8]   … or with inputs of these shapes

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { drive, formatTotals, isFault } from './fuzz/drive.mjs'
import { FIXTURES, tasksOf } from './fuzz/fixtures.mjs'
import { fuzzReader } from './fuzz/reader.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: `${Date.now() % 1_000_000}` },
    count: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
    keep: { type: 'string' },
    folder: { type: 'string' },
    corpus: { type: 'string' },
    shape: { type: 'string', multiple: true, default: [] },
  },
})

/** @typedef {import('./fuzz/target.mjs').Task} Task */

/** The files of a folder as tasks. @param {string} folder @returns {Task[]} */
function listed(folder) {
  const shapes = values.shape.map((shape) => shape.split(',').map(Number))
  const list = join(folder, 'list.json')
  /** @type {{ file: string, base?: string }[]} */
  const files = existsSync(list)
    ? JSON.parse(readFileSync(list, 'utf8'))
    : readdirSync(folder).map((file) => ({ file }))
  return files.map(({ file, base }) => {
    const io = values.corpus && base ? resolve(values.corpus, 'io', base.replace(/\..*$/, '')) : undefined
    return { path: resolve(folder, file), shapes, ...(io && { io: { header: `${io}.json`, data: `${io}.bin` } }) }
  })
}

const scratch = mkdtempSync(join(tmpdir(), 'espalier-fuzz-'))
const keep = values.keep ?? join(root, 'build/fuzz/faults')
let faults = 0
let last = Date.now()
let done = 0

/** @param {Iterable<Task>} tasks @param {string} title */
async function batch(tasks, title) {
  console.log(title)
  const results = await drive(tasks, {
    onResult(result) {
      done++
      if (isFault(result)) {
        faults++
        mkdirSync(keep, { recursive: true })
        const name = result.task.path.split('/').at(-1)
        if (existsSync(result.task.path)) writeFileSync(join(keep, `${name}`), readFileSync(result.task.path))
        console.log(`  ${name}: ${result.outcome.slice(0, 400)}`)
      } else if (Date.now() - last > 4000) {
        console.log(`  … ${done} files`)
      } else return
      last = Date.now()
    },
  })
  console.log(`  ${formatTotals(results)}`)
}

try {
  if (values.folder !== undefined) {
    await batch(listed(values.folder), values.folder)
  } else {
    for (const seed of values.seeds.split(',').map(Number)) {
      await batch(tasksOf(scratch, seed, Number(values.count)), `seed ${seed}`)
    }
    if (Number(values.seconds) > 0) {
      console.log(`the archive reader under libFuzzer, ${values.seconds} s`)
      const models = FIXTURES.map(({ path }) => path)
      const { ok, text } = fuzzReader(root, Number(values.seconds), models)
      console.log(`  ${text}`)
      if (!ok) faults++
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(faults === 0 ? 'no faults' : `${faults} faults; the files are in ${keep}`)
process.exitCode = faults === 0 ? 0 : 1
