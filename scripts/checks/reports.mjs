// What the runners' own reports say: vitest's JSON, and that of the corpus (a list of rows).
//
//   node scripts/checks/reports.mjs passed|failed FILE…     a number, summed over the files
//   node scripts/checks/reports.mjs failures FILE…          a line for each failure

import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/**
 * @typedef {{ file: string, mode?: string, passed: boolean, problems?: string[] }} Row
 * @typedef {{ fullName: string, status: string, failureMessages: string[] }} Test
 * @typedef {{ numPassedTests: number, numFailedTests: number,
 *   testResults: { name: string, status: string, message: string, assertionResults: Test[] }[] }} VitestReport
 * @typedef {Row[] | VitestReport} Report
 */

const first = (/** @type {string | undefined} */ text) => (text ?? '').slice(0, 300)

/** Files that fail before their first test have no failed test of their own. @param {VitestReport} report */
const brokenFiles = (report) =>
  report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  )

/** @param {Report} report */
export function passedIn(report) {
  return Array.isArray(report) ? report.filter(({ passed }) => passed).length : report.numPassedTests
}

/** A file that fails before its first test counts as one. @param {Report} report */
export function failedIn(report) {
  if (Array.isArray(report)) return report.filter(({ passed }) => !passed).length
  return report.numFailedTests + brokenFiles(report).length
}

/** @param {Report} report @returns {string[]} */
export function failuresIn(report) {
  if (Array.isArray(report)) {
    return report.flatMap(({ file, mode = '', passed, problems }) =>
      passed ? [] : [`failed: ${file} ${mode}: ${first(problems?.[0])}`],
    )
  }
  const tests = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => `failed: ${name}: ${fullName}: ${first(failureMessages[0])}`),
  )
  return [...tests, ...brokenFiles(report).map(({ name, message }) => `failed: ${name}: ${first(message)}`)]
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [kind, ...files] = process.argv.slice(2)
  const reports = files.map((file) => /** @type {Report} */ (JSON.parse(readFileSync(file, 'utf8'))))
  if (kind === 'failures') for (const line of reports.flatMap(failuresIn)) console.log(line)
  else console.log(reports.map(kind === 'passed' ? passedIn : failedIn).reduce((sum, n) => sum + n, 0))
}
