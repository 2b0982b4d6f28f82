// The archive reader, the recorder and the cut under AddressSanitizer and UndefinedBehaviorSanitizer: their tests, then damaged
// files. LibTorch itself is not instrumented.
//
//   npm run test:sanitize -- [--seed 1] [--count 40] [test files…]

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { drive, formatTotals, isFault } from './fuzz/drive.mjs'
import { tasksOf } from './fuzz/fixtures.mjs'

/** Of the archive reader, the recorder and the cut. */
const TESTS = ['model-file', 'hostile', 'recording', 'cut', 'repair', 'module-hooks'].map(
  (name) => `test/torch/${name}.test.ts`,
)

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values, positionals } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '40' } },
  allowPositionals: true,
})

/** The runtime must be there before Node's own allocator. */
const runtime = spawnSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
if (!existsSync(runtime)) {
  console.log('skipped: g++ has no libasan.so')
  process.exit(0)
}
const env = {
  ...process.env,
  LD_PRELOAD: runtime,
  // Node never frees what lives as long as it does; containers of LibTorch are not annotated.
  ASAN_OPTIONS: 'detect_leaks=0:detect_container_overflow=0:handle_segv=1:abort_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  // Where node-gyp-build looks in place of the package.
  ESPALIER_PREBUILD: join(root, 'build/sanitize'),
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} [environment] */
function node(args, environment) {
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env: environment }).status === 0
}

if (!node(['scripts/build/build.mjs', '--sanitize', '--to', 'build/sanitize/build/Release'])) process.exit(1)
const tests = positionals.length > 0 ? positionals : TESTS
const limits = ['--testTimeout=600000', '--hookTimeout=600000', '--maxWorkers=1']
let sound = node(['node_modules/vitest/vitest.mjs', 'run', ...limits, ...tests], env)

const scratch = mkdtempSync(join(tmpdir(), 'espalier-sanitize-'))
try {
  const results = await drive(tasksOf(scratch, Number(values.seed), Number(values.count)), { limitMs: 120_000, env })
  for (const { task, outcome } of results.filter(isFault)) console.log(`${task.path}: ${outcome}`)
  console.log(formatTotals(results))
  sound &&= !results.some(isFault)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
console.log(sound ? 'nothing was found' : 'faults were found')
process.exitCode = sound ? 0 : 1
