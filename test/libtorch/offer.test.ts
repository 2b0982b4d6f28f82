import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'

let cache: string
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'espalier-offer-'))
})
afterEach(() => rmSync(cache, { recursive: true, force: true }))

const entry = JSON.stringify(join(PACKAGE_ROOT, 'dist/index.js'))
const PROGRAM = `import(${entry}).then((e) => e.loadLibtorch()).catch((e) => console.log('code', e.code))`
// A PATH without Python: its torch would be found, and its pip would fetch.
const env = () => ({ PATH: dirname(process.execPath), XDG_CACHE_HOME: cache, ESPALIER_INDEX: 'http://127.0.0.1:1/' })
const QUESTION = /Fetch LibTorch 2\.13\.0 \(192 MB\) into the cache\? \[y\/N\]/

const RUN = `'${process.execPath}' -e "$PROGRAM"`

/** The program at a terminal, which `script` makes, and what is typed there. */
function atTerminal(typed: string, more: NodeJS.ProcessEnv = {}, command = RUN): string {
  const { stdout, error } = spawnSync('/usr/bin/script', ['-qec', command, '/dev/null'], {
    input: typed,
    encoding: 'utf8',
    env: { ...env(), PATH: cache, PROGRAM, ...more },
    // A process that is stopped never ends.
    timeout: 30_000,
  })
  expect(error).toBe(undefined)
  return stdout
}

it.each(['n\n', '\n'])('who answers %j at a terminal gets the error', (typed) => {
  const shown = atTerminal(typed)
  expect(shown).toMatch(QUESTION)
  expect(shown).toContain('code ERR_LIBTORCH_NOT_FOUND')
  expect(shown).not.toContain('fetching')
})

it('in CI nobody is asked', () => {
  const shown = atTerminal('y\n', { CI: 'true' })
  expect(shown).not.toMatch(QUESTION)
  expect(shown).toContain('code ERR_LIBTORCH_NOT_FOUND')
})

it('in the background nobody is asked, and the program is not stopped', () => {
  const shown = atTerminal('', {}, `set -m; ${RUN} & wait`)
  expect(shown).not.toMatch(QUESTION)
  expect(shown).toContain('code ERR_LIBTORCH_NOT_FOUND')
})

it('a program that tries again is not asked again', () => {
  const shown = atTerminal('n\nn\n', { PROGRAM: `${PROGRAM}.then(() => ${PROGRAM})` })
  expect(shown.match(new RegExp(QUESTION, 'g'))).toHaveLength(1)
  expect(shown.match(/code ERR_LIBTORCH_NOT_FOUND/g)).toHaveLength(2)
})

it('without a terminal nobody is asked', () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', PROGRAM], {
    input: 'y\n',
    encoding: 'utf8',
    env: env(),
  })
  expect(stderr).toBe('')
  expect(stdout).toBe('code ERR_LIBTORCH_NOT_FOUND\n')
})
