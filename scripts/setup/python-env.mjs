// Makes the Python that checks what Espalier writes: a virtual environment in the cache with torch, numpy and ONNX.
// (Debian's python refuses `pip install` outside one.) Nothing but checks needs it: where it can't be made they are
// skipped with the reason, and in CI (CI=true) they fail.
//
//   node scripts/setup/python-env.mjs

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { run } from './run.mjs'
import { buildTypescript } from './typescript.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

export const TORCH_VERSION = '2.13.0'

/** Ways to ask pip for it, in order; the first is quick to fail: it takes a wheel that lies at hand. */
const ATTEMPTS = [
  ['--retries', '0', `torch==${TORCH_VERSION}+cpu`],
  ['--extra-index-url', 'https://download.pytorch.org/whl/cpu', `torch==${TORCH_VERSION}+cpu`],
  [`torch==${TORCH_VERSION}`],
]

/** What is installed beside it. The exporters to ONNX need onnx and onnxscript; onnxruntime runs what they write. */
const BESIDE = ['numpy', 'onnx', 'onnxscript', 'onnxruntime']

/** What the stamp of a whole environment says: one with less is made anew. */
const WHOLE = `torch ${TORCH_VERSION} ${BESIDE.join(' ')}\n`

/** @param {NodeJS.ProcessEnv} [env] */
export function environmentFolder(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'espalier', 'python', TORCH_VERSION)
}

/** @param {string} folder */
const interpreter = (folder) => join(folder, 'bin', 'python')

/** Written last: without it the folder is a torso. @param {string} folder */
const stamp = (folder) => join(folder, '.complete')

/**
 * The interpreter, or why there is none. Starts nothing and makes nothing.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ python: string, reason?: never } | { python?: never, reason: string }}
 */
export function findPython(env = process.env) {
  const folder = environmentFolder(env)
  const whole = existsSync(stamp(folder)) && readFileSync(stamp(folder), 'utf8') === WHOLE
  if (whole && existsSync(interpreter(folder))) return { python: interpreter(folder) }
  const failure = join(folder, 'failed.txt')
  const why = existsSync(failure) ? readFileSync(failure, 'utf8').trim() : 'run: node scripts/setup/python-env.mjs'
  return { reason: `no Python with torch ${TORCH_VERSION} in ${folder}: ${why}` }
}

/** @param {string} text */
const say = (text) => console.log(`python-env: ${text}`)

/**
 * @param {string} label
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<string | undefined>} why it failed
 */
async function attempt(label, command, args) {
  // Compiled files of what is imported are wanted, whatever the user's shell says.
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: undefined, PIP_DISABLE_PIP_VERSION_CHECK: '1' }
  const show = (/** @type {string} */ line) => /^(Downloading|Installing|Successfully|torch )/.test(line.trim())
  try {
    await run(`python-env: ${label}`, command, args, { env, show })
    return undefined
  } catch (error) {
    return /** @type {Error} */ (error).message.trim().split('\n').slice(-3).join(' | ')
  }
}

/**
 * @param {string} folder
 * @returns {Promise<string | undefined>} why it failed
 */
async function make(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const venv = await attempt('making a virtual environment', 'python3', ['-m', 'venv', folder])
  if (venv !== undefined) return `python3 -m venv failed (on Debian: apt install python3-venv): ${venv}`
  let failure = ''
  for (const wanted of ATTEMPTS) {
    // --no-compile: a third of the time, for thousands of files that no check ever imports.
    const pip = ['-m', 'pip', 'install', '--no-compile', '--progress-bar', 'off', ...wanted, ...BESIDE]
    const probe = `import torch, ${BESIDE.join(', ')}; print("torch", torch.__version__)`
    const why =
      (await attempt(`pip install ${[wanted.at(-1), ...BESIDE].join(' ')}`, interpreter(folder), pip)) ??
      (await attempt('trying it', interpreter(folder), ['-c', probe]))
    if (why === undefined) return undefined
    failure = why
  }
  return `pip could not install torch ${TORCH_VERSION}: ${failure}`
}

/** One process at a time, by the lock that installing LibTorch takes too. @param {string} folder */
async function makeLocked(folder) {
  await buildTypescript(root)
  /** @type {typeof import('../../lib/libtorch/install/lock.js')} */
  const { withLock } = await import(new URL('../../dist/libtorch/install/lock.js', import.meta.url).href)
  /** @type {typeof import('../../lib/cli/progress.js')} */
  const { showProgress } = await import(new URL('../../dist/cli/progress.js', import.meta.url).href)
  return withLock(`${folder}.lock`, { progress: showProgress(), patience: 1_800_000 }, async () => {
    if (findPython().python) return undefined
    const failure = await make(folder)
    if (failure === undefined) writeFileSync(stamp(folder), WHOLE)
    else writeFileSync(join(folder, 'failed.txt'), `${failure}\n`)
    return failure
  })
}

async function main() {
  if (findPython().python) return
  const failure = await makeLocked(environmentFolder())
  if (failure === undefined) return
  say(`${failure}\npython-env: checks that need Python will be skipped.`)
  if (process.env.CI) process.exitCode = 1
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main()
