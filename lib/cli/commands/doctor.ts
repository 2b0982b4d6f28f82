import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { checkSums } from '../../libtorch/checksums.js'
import {
  findNative,
  formatAttempts,
  type NativeFiles,
  PACKAGE_ROOT,
  realHost,
  trustedFiles,
  tryResolveLibtorch,
} from '../../libtorch/index.js'
import { platformName } from '../../libtorch/native.js'
import { newCommand, run } from '../command.js'
import { formatError } from '../error.js'
import { EXIT } from '../exit.js'
import type { ProbeReport } from '../probe.js'

/** What was looked at: a word for it, and what was found. */
interface Finding {
  what: string
  found: string
}

interface Findings {
  ok: boolean
  findings: readonly Finding[]
}

/** `espalier doctor`. */
export function doctorCommand(): Command {
  const command = newCommand('doctor', 'show what was found and tried, and load the native part in a child process', [
    'espalier doctor',
    'espalier doctor --libtorch ~/libtorch',
  ]).option('--libtorch <folder>', 'look at this LibTorch instead of the usual order')
  return command.action(({ libtorch }: { libtorch?: string }) =>
    run(command, async () => {
      const data = examined(libtorch)
      if (!data.ok) process.exitCode = EXIT.setup.status
      return { text: data.findings.map(lineOf).join('\n'), data }
    }),
  )
}

/** One after the other, up to the first that ends it. */
function examined(libtorch: string | undefined): Findings {
  const host = realHost()
  const findings: Finding[] = [{ what: 'node', found: `${process.version} on ${platformName()}` }]
  const add = (what: string, found: string) => findings.push({ what, found })
  const failed = (what: string, found: string): Findings => {
    add(what, found)
    return { ok: false, findings }
  }

  let native: NativeFiles
  try {
    native = findNative(host)
  } catch (error) {
    return failed('', formatError(error))
  }
  add('loader', native.loader)
  for (const [minor, { core, cuda }] of native.cores) {
    add(`core ${minor}`, core)
    if (cuda !== undefined) add(`CUDA ${minor}`, cuda)
  }
  const sums = checkSums(PACKAGE_ROOT, native)
  add('checksums', sums.text)

  const resolution = tryResolveLibtorch(host, { libtorch, minors: [...native.cores.keys()] })
  if ('error' in resolution) return failed('', formatError(resolution.error))
  add('LibTorch', `\n${formatAttempts(resolution.attempts).replace(/^/gm, '  ')}`)

  const trusted = trustedFiles(host, resolution.libtorch.root)
  if (trusted.length > 0) add('trust', `installed with --trust, checksum not known: ${trusted.join(', ')}`)

  const probe = probeInChild(resolution.libtorch.root)
  if (typeof probe === 'string') return failed('load', `failed\n${probe.replace(/^/gm, '  ')}`)
  add('load', `LibTorch ${probe.torchVersion} answers, variant ${resolution.libtorch.variant}`)
  add('libgomp', `${probe.libgomp.join(', ') || 'none'}${probe.libgomp.length > 1 ? '  (two OpenMP runtimes)' : ''}`)
  const wanted = host.env.OMP_NUM_THREADS ?? 'not set'
  add('threads', `${probe.threads} on ${availableParallelism()} processors, OMP_NUM_THREADS ${wanted}`)
  return { ok: sums.ok, findings }
}

/** Words in a column; what begins with a new line stands below, and an error has its own form. */
function lineOf({ what, found }: Finding): string {
  if (what === '') return found
  return found.startsWith('\n') ? `${what}${found}` : `${what.padEnd(10)} ${found}`
}

/** A library that doesn't fit can end the process, so it is loaded in one that may end. A string says what went wrong. */
function probeInChild(libtorch: string): ProbeReport | string {
  const script = fileURLToPath(new URL('../probe.js', import.meta.url))
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, libtorch], { encoding: 'utf8' })
  if (status === 0) return JSON.parse(stdout) as ProbeReport
  return `${stderr.trim()}\n(the child ended with ${signal ?? `exit code ${status}`})`
}
