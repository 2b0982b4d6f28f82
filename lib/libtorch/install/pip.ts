import { spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { abortIf } from '../../base/abort.js'
import type { Wheels } from './known.js'
import type { Mirror } from './mirrors.js'
import { shown } from './net/url.js'
import { megabytes, type Progress, whileReporting } from './progress.js'

/** Runs a command to its end; `status` null: it could not be started or was killed. */
export type Run = (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal?: AbortSignal,
) => Promise<{ status: number | null; output: string }>

export const runCommand: Run = (command, args, env, signal) =>
  new Promise((done) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal ? { signal } : {}) })
    // A child that outlives a cancelled install would go on downloading.
    const stop = () => child.kill()
    process.once('exit', stop)
    let output = ''
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    const finish = (status: number | null, text = '') => {
      process.off('exit', stop)
      done({ status, output: output + text })
    }
    child.on('error', (error) => finish(null, error.message))
    child.on('close', (status) => finish(status))
  })

/** What pip fetched, or why it did not, a text for each try; `hasPip` is false where it could not be run at all. */
export type PipResult =
  | { readonly paths: readonly string[] }
  | { readonly failures: readonly string[]; readonly hasPip: boolean }

export interface PipOptions {
  /** The only index to ask. */
  readonly named: Mirror | undefined
  readonly progress: Progress
  readonly run: Run
  readonly signal: AbortSignal | undefined
}

/**
 * Fetches the wheels with the user's pip into `folder`: from the named index, or from upstream's and
 * then as pip is configured.
 *
 * @throws EspalierError ERR_ABORTED
 */
export async function downloadWheels(wheels: Wheels, folder: string, options: PipOptions): Promise<PipResult> {
  const { named, progress, run, signal } = options
  const scratch = join(folder, 'tmp')
  await rm(folder, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true })
  const failures: string[] = []
  const { index: upstream, requirements } = wheels
  const more = requirements.length > 1 ? ` and ${requirements.length - 1} more` : ''
  for (const index of named === undefined && upstream !== undefined ? [upstream, undefined] : [undefined]) {
    const name = index ?? (named === undefined ? "pip's own configuration" : shown(named.url))
    progress.say(`fetching ${requirements[0]}${more} from ${name} with pip`)
    const start = Date.now()
    let size = 0
    const text = () => `fetching: ${megabytes(size)}, ${Math.round((Date.now() - start) / 1000)} s`
    // pip is silent without a terminal, and its temporary files are the only sign of how far it is.
    const measure = setInterval(() => {
      void folderSize(folder).then((bytes) => {
        size = bytes
      })
    }, 1000)
    try {
      // An index may have a password, and arguments are seen by everyone on the machine.
      const mirror = named === undefined ? {} : { PIP_INDEX_URL: named.url.href }
      const env = { ...process.env, ...mirror, TMPDIR: scratch }
      const { status, output } = await whileReporting(progress, text, () =>
        run('python3', pipArguments(wheels, folder, index), env, signal),
      )
      abortIf(signal)
      if (status === 0) {
        await rm(scratch, { recursive: true, force: true })
        return { paths: await wheelsIn(folder) }
      }
      failures.push(`python3 -m pip download (${name}):\n${lastLines(output, 8)}`)
      if (status === null || /No module named pip/.test(output)) return { failures, hasPip: false }
      progress.say(`  not there: ${lastLines(output, 1)}`)
    } finally {
      clearInterval(measure)
    }
  }
  return { failures, hasPip: true }
}

async function wheelsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder)
  return names.filter((name) => name.endsWith('.whl')).map((name) => join(folder, name))
}

async function folderSize(folder: string): Promise<number> {
  let bytes = 0
  try {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
    }
  } catch {
    // pip removes its files while they are counted; the next count is right again.
  }
  return bytes
}

function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n')
}

/**
 * The arguments of `python3 -m pip` for one try. Platform, Python and ABI are fixed, so that everyone gets the same file,
 * whatever Python runs pip.
 */
function pipArguments({ requirements, platforms, abis }: Wheels, folder: string, index: string | undefined): string[] {
  return [
    '-m',
    'pip',
    'download',
    ...requirements,
    '--no-deps',
    '--only-binary=:all:',
    ...platforms.flatMap((platform) => ['--platform', platform]),
    '--python-version=3.11',
    '--implementation=cp',
    // NVIDIA's wheels are for no Python in particular.
    ...abis.map((abi) => `--abi=${abi}`),
    '--disable-pip-version-check',
    '--progress-bar=off',
    '--dest',
    folder,
    // One short try: a network that doesn't reach upstream must not hold up the configured one.
    ...(index !== undefined ? ['--index-url', index, '--retries=0', '--timeout=15'] : []),
  ]
}
