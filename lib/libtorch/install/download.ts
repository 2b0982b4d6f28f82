import { spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../../base/errors.js'
import { megabytes, type Progress, whileReporting } from './progress.js'
import { pipArguments, type Wheel } from './wheels.js'

/** Runs a command to its end; `status` null: it could not be started or was killed. */
export type Run = (
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
) => Promise<{ status: number | null; output: string }>

export const runCommand: Run = (command, args, env) =>
  new Promise((done) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
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

/**
 * Fetches the wheel (and what it depends on) with the user's pip into `folder`: from upstream's index first, then as pip is
 * configured. Proxies, certificates and mirrors are pip's business. Returns the paths of the wheels.
 *
 * @throws EspalierError ERR_INSTALL with pip's own words
 */
export async function downloadWheels(wheel: Wheel, folder: string, progress: Progress, run: Run): Promise<string[]> {
  const scratch = join(folder, 'tmp')
  await mkdir(scratch, { recursive: true })
  const said: string[] = []
  for (const source of ['upstream', 'configured'] as const) {
    const name = source === 'upstream' ? wheel.index : "pip's own configuration"
    progress.say(`fetching ${wheel.requirement} from ${name}`)
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
      const env = { ...process.env, TMPDIR: scratch }
      const { status, output } = await whileReporting(progress, text, () =>
        run('python3', pipArguments(wheel, folder, source), env),
      )
      if (status === 0) {
        await rm(scratch, { recursive: true, force: true })
        return await wheelsIn(folder)
      }
      said.push(`python3 -m pip download (${name}):\n${lastLines(output, 8)}`)
      if (status === null || /No module named pip/.test(output)) throw noPip(status, output)
      progress.say(`  not there: ${lastLines(output, 1)}`)
    } finally {
      clearInterval(measure)
    }
  }
  throw new EspalierError('ERR_INSTALL', `pip can't fetch ${wheel.requirement}`, {
    detail: said.join('\n'),
    hint: [
      'Check the network and the proxy (HTTPS_PROXY, pip config), or fetch the wheel on another machine and run',
      '  npx espalier install-libtorch --from FILE',
    ].join('\n'),
  })
}

function noPip(status: number | null, output: string): EspalierError {
  const what = status === null ? 'python3' : 'pip'
  return new EspalierError('ERR_INSTALL', `${what} is needed to fetch LibTorch and can't be run`, {
    detail: lastLines(output, 8),
    hint: 'sudo apt-get install -y python3 python3-pip; or point LIBTORCH at a LibTorch folder.',
  })
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
