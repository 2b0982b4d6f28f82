import { execFileSync } from 'node:child_process'
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isStep } from '../../scripts/setup/steps.mjs'

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

/** What the output of a build says that it has compiled: `<minor of LibTorch> <object>`, each as often as it was compiled. */
export function compiledIn(told: string): string[] {
  const objects: string[] = []
  let minor = ''
  for (const line of told.split('\n')) {
    minor = /LibTorch (\d+\.\d+)[^:]*: /.exec(line)?.[1] ?? minor
    const object = isStep(line) ? /Building \w+ object (\S+)/.exec(line)?.[1] : undefined
    if (object !== undefined) objects.push(`${minor} ${object}`)
  }
  return objects
}
