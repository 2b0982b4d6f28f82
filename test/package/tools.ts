import { execFileSync } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** npm as a script for node, so that it can be run where PATH has no npm. */
export function npmCli(): string {
  const given = process.env.npm_execpath
  if (given?.endsWith('.js')) return given
  const npm = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim()
  const script = realpathSync(npm)
  return script.endsWith('.js') ? script : join(dirname(script), '../lib/node_modules/npm/bin/npm-cli.js')
}

/** A PATH on which there is node and nothing else: no compiler, no cmake, no python, no shell. */
export function nodeOnlyPath(folder: string): string {
  const bin = join(folder, '.bin-node-only')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  return bin
}
