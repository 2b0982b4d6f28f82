// Runs every file of a corpus: a child process prunes it in each mode, the oracle judges what the child has written.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shortfalls } from './acceptance.mjs'
import { runChild } from './child.mjs'

/**
 * @typedef {import('./acceptance.mjs').Row} Row
 * @typedef {import('./files.mjs').CorpusFile} CorpusFile
 * @typedef {{ file: CorpusFile, rows: Row[], frozen: { reason: string, elements: number }[] }} FileResult
 */

/**
 * Two files are in work at a time; the oracle is one process, so one of them is pruned while another is judged.
 *
 * @param {CorpusFile[]} files
 * @param {object} options
 * @param {string[]} options.modes
 * @param {boolean} [options.attention]  models with attention are also pruned of heads and of head dimensions alone
 * @param {number} options.ratio
 * @param {import('./acceptance.mjs').Expectations} options.expectations
 * @param {import('./oracle.mjs').Oracle | undefined} options.oracle  without it nothing is judged but the child's own words
 * @param {(result: FileResult) => void} options.onResult
 * @param {string | undefined} [options.keep]      folder for the pruned files; they are deleted without
 * @param {string} [options.script]                another child program
 * @param {number} [options.limitMs]
 * @returns {Promise<FileResult[]>} in the order of the files
 */
export async function runCorpus(files, options) {
  /** @type {FileResult[]} */
  const results = []
  let next = 0
  const lane = async () => {
    for (let i = next++; i < files.length; i = next++) {
      const result = await runFile(/** @type {CorpusFile} */ (files[i]), options)
      results[i] = result
      options.onResult(result)
    }
  }
  await Promise.all([lane(), lane()])
  return results
}

/** @param {CorpusFile} file @param {Parameters<typeof runCorpus>[1]} options @returns {Promise<FileResult>} */
async function runFile(file, { modes, attention, ratio, expectations, oracle, keep, script, limitMs }) {
  const out = keep ?? mkdtempSync(join(tmpdir(), 'espalier-corpus-'))
  try {
    const task = { path: file.path, io: file.io, modes, ...(attention && { attention }), ratio, out }
    const child = await runChild(task, { ...(script && { script }), ...(limitMs && { limitMs }) })
    const cuts = child.modes.flatMap(({ mode, pruned, manifest }) =>
      pruned && manifest ? [{ id: `${file.file} ${mode}`, pruned, manifest }] : [],
    )
    const verdicts =
      oracle && cuts.length > 0
        ? await oracle.judge({ original: file.path, io: file.io, reference: file.reference, cuts })
        : []
    const rows = child.modes.map((outcome) => {
      const verdict = verdicts.find(({ id }) => id === `${file.file} ${outcome.mode}`)
      return rowOf(file, outcome, child.analysed, verdict, expectations)
    })
    return { file, rows, frozen: child.analysed?.frozen ?? [] }
  } finally {
    if (keep === undefined) rmSync(out, { recursive: true, force: true })
  }
}

/**
 * @param {CorpusFile} file
 * @param {import('./child.mjs').Pruned} outcome
 * @param {import('./child.mjs').Analysed | undefined} analysed
 * @param {import('./oracle.mjs').Verdict | undefined} verdict
 * @param {import('./acceptance.mjs').Expectations} expectations
 * @returns {Row}
 */
function rowOf(file, outcome, analysed, verdict, expectations) {
  const broken = verdict?.ok === false
  const row = {
    file: file.file,
    mode: outcome.mode,
    status: broken ? /** @type {const} */ ('failed') : outcome.status,
    ...(outcome.reason && { reason: outcome.reason }),
    ...(outcome.code && { code: outcome.code }),
    ...(outcome.operator && { operator: outcome.operator }),
    ...(outcome.message && { message: outcome.message }),
    coverage: analysed?.coverage ?? null,
    // Told with its reasons by the analysis: what keeps it from being covered.
    unexplained: (analysed?.dimensions ?? [])
      .filter(({ reasons }) => reasons.length === 0)
      .map(({ name, dim }) => `${name}[${dim}]`),
    ...(outcome.whole && { whole: outcome.whole }),
    ...(outcome.approximate?.length && { approximate: outcome.approximate }),
    params: outcome.params ?? null,
    macs: outcome.macs ?? null,
    error: verdict?.error ?? null,
    sensitivity: verdict?.sensitivity ?? null,
    batch2: verdict?.batch2 ?? null,
    size2: verdict?.size2 ?? null,
    python: verdict ? verdict.ok : null,
    ms: outcome.ms,
  }
  const problems = [
    ...(outcome.status === 'failed' ? [outcome.message ?? 'no reason given'] : []),
    ...(verdict?.problems ?? []),
    ...shortfalls(row, file, expectations),
  ]
  return { ...row, passed: problems.length === 0, problems }
}
