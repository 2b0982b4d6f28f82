import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/checks/reports.mjs', import.meta.url))
const test = (fullName: string, status: string) => ({ fullName, status, failureMessages: [`${fullName} is ${status}`] })

const CORPUS = [
  { file: 'a.pt', mode: 'local', passed: true },
  { file: 'b.pt', mode: 'global', passed: false, problems: ['it differs', 'and more'] },
]
const VITEST = {
  numPassedTests: 5,
  numFailedTests: 1,
  testResults: [
    {
      name: 'x.test.ts',
      status: 'failed',
      message: '',
      assertionResults: [test('one', 'passed'), test('two', 'failed')],
    },
    { name: 'y.test.ts', status: 'failed', message: 'no such module', assertionResults: [] },
    { name: 'z.test.ts', status: 'passed', message: '', assertionResults: [test('three', 'passed')] },
  ],
}

describe('the count of a CI run', () => {
  let folder: string
  let files: string[]
  const ask = (...args: string[]) => execFileSync(process.execPath, [script, ...args], { encoding: 'utf8' }).trim()

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-reports-'))
    files = [CORPUS, VITEST].map((report, k) => {
      const file = join(folder, `${k}.json`)
      writeFileSync(file, JSON.stringify(report))
      return file
    })
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('sums what passed over the reports of all runners', () => {
    expect(ask('passed', ...files)).toBe('6')
  })

  it('counts a file that fails before its first test', () => {
    expect(ask('failed', ...files)).toBe('3')
  })

  it('names every failure', () => {
    expect(ask('failures', ...files).split('\n')).toEqual([
      'failed: b.pt global: it differs',
      'failed: x.test.ts: two: two is failed',
      'failed: y.test.ts: no such module',
    ])
  })

  it('is nothing without reports', () => {
    expect([ask('passed'), ask('failed'), ask('failures')]).toEqual(['0', '0', ''])
  })
})
