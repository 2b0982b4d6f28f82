import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
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
import { formatError } from '../error.js'
import { EXIT } from '../exit.js'
import type { ProbeReport } from '../probe.js'

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('show what was found and tried, and load the native part in a child process')
    .option('--libtorch <folder>', 'look at this LibTorch instead of the usual order')
    .action(({ libtorch }: { libtorch?: string }) => {
      if (!doctor(libtorch, console.log)) process.exitCode = EXIT.setup.status
    })
}

/** Prints the findings; true when all is well. */
function doctor(libtorch: string | undefined, print: (text: string) => void): boolean {
  const host = realHost()
  print(`node       ${process.version} on ${platformName()}`)

  let native: NativeFiles
  try {
    native = findNative(host)
  } catch (error) {
    print(formatError(error))
    return false
  }
  print(`loader     ${native.loader}`)
  for (const [minor, { core, cuda }] of native.cores) {
    print(`core ${minor.padEnd(5)} ${core}`)
    if (cuda !== undefined) print(`CUDA ${minor.padEnd(5)} ${cuda}`)
  }
  const sums = checkSums(PACKAGE_ROOT, native)
  print(`checksums  ${sums.text}`)

  const resolution = tryResolveLibtorch(host, { libtorch, minors: [...native.cores.keys()] })
  if ('error' in resolution) {
    print(formatError(resolution.error))
    return false
  }
  print(`LibTorch\n${formatAttempts(resolution.attempts).replace(/^/gm, '  ')}`)

  const trusted = trustedFiles(host, resolution.libtorch.root)
  if (trusted.length > 0) print(`trust      installed with --trust, checksum not known: ${trusted.join(', ')}`)

  const probe = probeInChild(resolution.libtorch.root)
  if (typeof probe === 'string') {
    print(`load       failed\n${probe.replace(/^/gm, '  ')}`)
    return false
  }
  print(`load       LibTorch ${probe.torchVersion} answers, variant ${resolution.libtorch.variant}`)
  print(`libgomp    ${probe.libgomp.join(', ') || 'none'}${probe.libgomp.length > 1 ? '  (two OpenMP runtimes)' : ''}`)
  const wanted = host.env.OMP_NUM_THREADS ?? 'not set'
  print(`threads    ${probe.threads} on ${availableParallelism()} processors, OMP_NUM_THREADS ${wanted}`)
  return sums.ok
}

/** A library that doesn't fit can end the process, so it is loaded in one that may end. A string says what went wrong. */
function probeInChild(libtorch: string): ProbeReport | string {
  const script = fileURLToPath(new URL('../probe.js', import.meta.url))
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, libtorch], { encoding: 'utf8' })
  if (status === 0) return JSON.parse(stdout) as ProbeReport
  return `${stderr.trim()}\n(the child ended with ${signal ?? `exit code ${status}`})`
}
