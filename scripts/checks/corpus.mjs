// Prunes every model of a corpus folder and has a Python oracle judge the results. Ends with a status of 1 when a file
// breaks the law or falls short of test/corpus/expectations.json.
//
//   npm run test:corpus -- [--corpus DIR] [--only NAME] [--mode local|global|exact] [--ratio 0.5] [--json FILE] [--keep DIR]
//                          [--python FILE]  judge with this interpreter's torch instead of the one of python-env

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findPython } from '../setup/python-env.mjs'
import { countPruned, readExpectations } from './corpus/acceptance.mjs'
import { listCorpus } from './corpus/files.mjs'
import { Oracle } from './corpus/oracle.mjs'
import { formatFile, formatTotals } from './corpus/report.mjs'
import { runCorpus } from './corpus/run.mjs'

const { values } = parseArgs({
  options: {
    corpus: { type: 'string', default: fileURLToPath(new URL('../../../shared/models', import.meta.url)) },
    only: { type: 'string' },
    mode: { type: 'string' },
    ratio: { type: 'string', default: '0.5' },
    json: { type: 'string' },
    keep: { type: 'string' },
    python: { type: 'string' },
  },
})

/** @param {string} message @returns {never} */
function stop(message) {
  console.error(message)
  process.exit(2)
}

if (values.mode && !['local', 'global', 'exact'].includes(values.mode))
  stop(`--mode is local, global or exact, not ${values.mode}`)
if (!existsSync(values.corpus)) stop(`There is no corpus in ${values.corpus}: name one with --corpus DIR`)
const files = listCorpus(values.corpus).filter(({ file }) => !values.only || file.includes(values.only))
if (files.length === 0)
  stop(`There is no model in ${values.corpus}${values.only ? ` with ${values.only} in its name` : ''}`)
if (values.keep) mkdirSync(values.keep, { recursive: true })

const { python, reason } = values.python ? { python: values.python } : findPython()
if (python === undefined) {
  if (process.env.CI) stop(`${reason}`)
  console.log(`Nothing is compared with the masked original: ${reason}`)
}
const oracle = python === undefined ? undefined : new Oracle(python)
const expectations = readExpectations()
const started = Date.now()
const results = await runCorpus(files, {
  modes: values.mode ? [values.mode] : ['local', 'global'],
  attention: values.mode === undefined,
  ratio: Number(values.ratio),
  expectations,
  oracle,
  onResult: (result) => console.log(formatFile(result)),
  keep: values.keep,
})
oracle?.stop()
const rows = results.flatMap((result) => result.rows)
if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 1)}\n`)
console.log(formatTotals(results, (Date.now() - started) / 1000))
const { pruned, models, enough } = countPruned(rows, expectations)
console.log(`${pruned} of ${models} models are pruned in every file and mode`)
process.exitCode = rows.every((row) => row.passed) && enough ? 0 : 1
