import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { PACKAGE_ROOT } from './native.js'

/**
 * Asks on a terminal whether LibTorch may be fetched, and fetches it: true when it was. Where nobody can answer (no terminal, CI, a
 * worker) nothing is asked.
 */
export function offerLibtorch(): boolean {
  const node = process.versions.bun === undefined && process.versions.deno === undefined
  const canAnswer = process.stdin.isTTY === true && process.stderr.isTTY === true && !process.env.CI
  if (!isMainThread || !canAnswer || !node) return false
  // A program of its own, because what needs LibTorch can't wait: it is a synchronous call.
  const command = [join(PACKAGE_ROOT, 'dist/cli/main.js'), 'install-libtorch', '--ask']
  return spawnSync(process.execPath, command, { stdio: ['inherit', process.stderr.fd, 'inherit'] }).status === 0
}
