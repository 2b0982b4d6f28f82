import { readFile } from 'node:fs/promises'
import { EspalierError } from '../errors.js'
import type { Manifest } from './manifest.js'

/**
 * Reads a manifest and checks it.
 *
 * @throws EspalierError `ERR_READ` with the system's reason; `ERR_INVALID_ARGUMENT` when it is no manifest, or of a newer
 * schema, naming what is wrong
 */
export async function loadManifest(path: string): Promise<Manifest> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new EspalierError('ERR_READ', `${path} could not be read: ${reason}`, { cause: error })
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path} is no manifest: it is not JSON`, { cause: error })
  }
  return checkManifest(content, path)
}

/**
 * Returns its argument when that is a manifest of a schema that is known.
 *
 * @param what it is called in messages
 * @throws EspalierError `ERR_INVALID_ARGUMENT`, naming what is wrong
 */
export function checkManifest(content: unknown, what = 'the manifest'): Manifest {
  const wrong = problemOf(content)
  if (wrong !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `${what} is no usable manifest: ${wrong}`)
  return content as Manifest
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isCounts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount)

function problemOf(content: unknown): string | undefined {
  if (!isObject(content)) return 'it is no object'
  if (content.schema !== 1) return `its schema is ${JSON.stringify(content.schema)}, known is 1`
  for (const key of ['params', 'macs']) {
    const pair = content[key]
    if (!isCounts(pair) || pair.length !== 2) return `'${key}' must be two counts, before and after`
  }
  for (const key of ['removed', 'approximate']) if (!Array.isArray(content[key])) return `'${key}' must be a list`
  if (typeof content.fingerprint !== 'string') return "'fingerprint' must be a text"
  if (!isObject(content.sizes)) return "'sizes' must be an object"
  if (!isObject(content.keep)) return "'keep' must be an object"
  for (const [name, dims] of Object.entries(content.keep)) {
    const shape = content.sizes[name]
    if (!isCounts(shape)) return `'sizes' has no shape for ${name}`
    if (!isObject(dims)) return `'keep' of ${name} must be an object of dimensions`
    for (const [dim, kept] of Object.entries(dims)) {
      const size = shape[Number(dim)]
      const rises = isCounts(kept) && kept.every((index, k) => k === 0 || index > (kept[k - 1] as number))
      if (size === undefined) return `${name} has no dimension ${dim}`
      if (!rises || kept.length === 0 || (kept.at(-1) as number) >= size) {
        return `the indices kept of ${name}, dimension ${dim}, must rise within 0..${size - 1}`
      }
    }
  }
  return undefined
}
