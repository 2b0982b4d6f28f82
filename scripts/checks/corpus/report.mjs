// What the corpus run prints: a line a file, then totals.

import { percent } from './acceptance.mjs'

/** @typedef {import('./run.mjs').FileResult} FileResult */

/** Problems of a row that are printed; the JSON report has all. */
const SHOWN = 3

/** @param {FileResult} result */
export function formatFile({ file, rows, frozen }) {
  const passed = rows.every((row) => row.passed)
  const coverage = rows[0]?.coverage
  const parts = [
    `${passed ? 'ok    ' : 'FAILED'} ${file.file.padEnd(32)}`,
    coverage == null ? 'coverage   ?   ' : `coverage ${percent(coverage).padStart(7)}`,
    ...rows.map(formatRow),
  ]
  const all = frozen.reduce((sum, { elements }) => sum + elements, 0)
  const reasons = frozen.slice(0, 2).map(({ reason, elements }) => `${reason} ${Math.round((100 * elements) / all)} %`)
  if (all > 0) parts.push(`frozen by ${reasons.join(', ')}`)
  const problems = rows.flatMap(({ mode, problems }) => [
    ...problems.slice(0, SHOWN).map((problem) => `         ${mode}: ${problem.split('\n')[0]}`),
    ...(problems.length > SHOWN ? [`         ${mode}: … and ${problems.length - SHOWN} more`] : []),
  ])
  return [parts.join('  '), ...problems].join('\n')
}

/** @param {import('./acceptance.mjs').Row} row */
function formatRow(row) {
  if (row.status === 'nothing') return `${row.mode}: nothing to remove (${row.reason})`.padEnd(44)
  if (row.status !== 'pruned') {
    const what = row.status === 'refused' ? [row.code, row.operator].filter(Boolean).join(' ') : 'failed'
    return `${row.mode}: ${what}`.padEnd(44)
  }
  const ratio = (/** @type {[number, number] | null} */ pair) => (pair ? percent(pair[1] / pair[0]) : '?').padStart(6)
  const error = row.error === null ? 'not checked' : `error ${row.error.toExponential(0)}`
  return `${row.mode}: params ${ratio(row.params)}, MACs ${ratio(row.macs)}, ${error}`.padEnd(44)
}

/** @param {FileResult[]} results @param {number} seconds */
export function formatTotals(results, seconds) {
  const rows = results.flatMap(({ rows }) => rows)
  const count = (/** @type {(row: import('./acceptance.mjs').Row) => boolean} */ test) => rows.filter(test).length
  const coverage = results.flatMap(({ rows }) => rows[0]?.coverage ?? [])
  const mean = coverage.length > 0 ? percent(coverage.reduce((a, b) => a + b, 0) / coverage.length) : '?'
  const removed = rows.flatMap(({ status, params }) => (status === 'pruned' && params ? 1 - params[1] / params[0] : []))
  const meanRemoved = removed.length > 0 ? percent(removed.reduce((a, b) => a + b, 0) / removed.length) : '?'
  /** @type {Map<string, { files: number, elements: number }>} */
  const reasons = new Map()
  for (const { frozen } of results) {
    for (const { reason, elements } of frozen) {
      const known = reasons.get(reason) ?? { files: 0, elements: 0 }
      reasons.set(reason, { files: known.files + 1, elements: known.elements + elements })
    }
  }
  const top = [...reasons].sort((a, b) => b[1].elements - a[1].elements).slice(0, 8)
  return [
    `${results.length} files, ${rows.length} runs in ${seconds.toFixed(0)} s: ${count((r) => r.status === 'pruned')} pruned, ` +
      `${count((r) => r.status === 'nothing')} with nothing to remove, ` +
      `${count((r) => r.status === 'refused')} refused, ${count((r) => r.status === 'failed')} failed`,
    ...approximateCuts(results),
    `mean coverage ${mean}, parameters removed where pruned ${meanRemoved}`,
    'What keeps parameters from being pruned:',
    ...top.map(([reason, { files, elements }]) => `  ${reason}: ${elements} elements in ${files} files`),
    `${count((r) => r.passed && r.status !== 'nothing')} passed, ` +
      `${count((r) => r.passed && r.status === 'nothing')} had nothing to remove, ${count((r) => !r.passed)} failed`,
  ].join('\n')
}

/** How many cuts are approximate, and through what. @param {FileResult[]} results */
function approximateCuts(results) {
  const found = results.flatMap(({ file, rows }) =>
    rows.flatMap(({ mode, approximate }) =>
      approximate ? [`  ${file.file}, ${mode}: ${approximate.join(', ')}`] : [],
    ),
  )
  return [`${found.length} approximate cuts${found.length > 0 ? ':' : ''}`, ...found]
}
