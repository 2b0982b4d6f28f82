import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PACKAGE_ROOT } from '../../lib/libtorch/index.js'

/** The package, and a file of it, as a program's source names them. */
export const espalier = JSON.stringify(pathToFileURL(join(PACKAGE_ROOT, 'dist/index.js')).href)
export const espalierTorch = JSON.stringify(pathToFileURL(join(PACKAGE_ROOT, 'dist/torch/index.js')).href)
export const example = (name: string): string => JSON.stringify(join(PACKAGE_ROOT, 'examples/data', name))

/** Runs a program in a process of its own. */
export function run(source: string, ...flags: string[]) {
  const start = performance.now()
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, '--input-type=module', '-e', source],
    { encoding: 'utf8', timeout: 60_000 },
  )
  return { status, signal, stdout, stderr, seconds: (performance.now() - start) / 1000 }
}

/** Of a program: an address of `source`, for a worker. */
export const address = (source: string): string =>
  `new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(source)}))`
