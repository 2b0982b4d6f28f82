import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { NativeFiles } from './native.js'

export interface ChecksumReport {
  readonly ok: boolean
  readonly text: string
}

/** Compares the native files with prebuilds/SHA256SUMS, which a published package has. */
export function checkSums(root: string, native: NativeFiles): ChecksumReport {
  const prebuilds = join(root, 'prebuilds')
  const files = [
    native.loader,
    ...[...native.cores.values()].flatMap(({ core, ops, cuda }) => [core, ops, ...(cuda ? [cuda] : [])]),
  ]
  if (!files.every((file) => file.startsWith(`${prebuilds}/`))) return { ok: true, text: 'built here, none to compare' }
  const list = join(prebuilds, 'SHA256SUMS')
  if (!existsSync(list)) return { ok: false, text: `${list} is missing` }

  const expected = new Map<string, string>()
  for (const line of readFileSync(list, 'utf8').split('\n')) {
    const [, sum, name] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? []
    if (sum !== undefined && name !== undefined) expected.set(name, sum)
  }
  const wrong = files
    .map((file) => relative(prebuilds, file))
    .filter((name) => sumOf(prebuilds, name) !== expected.get(name))
  if (wrong.length > 0) return { ok: false, text: `not those of the release: ${wrong.join(', ')}` }
  return { ok: true, text: `${files.length} files are those of the release` }
}

function sumOf(folder: string, name: string): string {
  return createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex')
}
