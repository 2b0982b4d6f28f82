import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { PACKAGE_ROOT } from './native.js'
import { canAsk } from './terminal.js'

// The answer of a person holds for the process: a program that tries again and again must not ask each time.
let offered = false

/**
 * Asks on a terminal whether LibTorch may be fetched, and fetches it: true when it was. It asks once; where nobody can answer (no
 * terminal, in the background, CI, a worker) nothing is asked, and no answer within a minute is a no.
 */
export function offerLibtorch(): boolean {
  const node = process.versions.bun === undefined && process.versions.deno === undefined
  if (offered || !isMainThread || !node || process.env.CI || !canAsk()) return false
  offered = true
  // A program of its own, because what needs LibTorch can't wait: it is a synchronous call.
  const command = [join(PACKAGE_ROOT, 'dist/cli/main.js'), 'install-libtorch', '--ask']
  return spawnSync(process.execPath, command, { stdio: ['inherit', process.stderr.fd, 'inherit'] }).status === 0
}
