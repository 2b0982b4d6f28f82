import { crc32 } from 'node:zlib'
import type * as yauzl from 'yauzl'
import { EspalierError } from '../../../base/errors.js'
import { withFile } from '../../../base/files.js'
import { count, maybe, object, path, signature } from '../../../base/schema/index.js'
import type { ArrayData } from '../dataset.js'
import { decodeNpy } from './npy.js'
import { sourceOf } from './source.js'
import { unreadable } from './unreadable.js'

/** Options of {@link readNpz}. */
export interface ReadNpzOptions {
  /** Most bytes that all arrays together may take, unpacked; 4 GiB by default. */
  maxBytes?: number | undefined
}

/** @internal */
export const READ_NPZ = signature(
  'readNpz',
  ['path', path],
  ['options', object<ReadNpzOptions>({ maxBytes: maybe(count()) })],
)

/**
 * Reads the arrays that NumPy saved into one file (`np.savez`, `np.savez_compressed`), by their names; each as {@link readNpy} gives it.
 * Other entries of the archive are left out.
 *
 * @throws EspalierError ERR_READ as {@link readNpy}, and for an archive that is damaged or encrypted, or has a name twice; ERR_LIMIT when it
 *   unpacks to more than `maxBytes`
 * @example
 * ```ts
 * import { inMemory, readNpz } from 'espalier'
 *
 * const { images, classes } = await readNpz('data.npz')
 * const train = inMemory(images!, classes)
 * console.log(train.size) // 6
 * ```
 */
export async function readNpz(path: string, options: ReadNpzOptions = {}): Promise<Record<string, ArrayData>> {
  READ_NPZ.check(path, options)
  const { maxBytes = 2 ** 32 } = options
  // The archive is opened by its path: what is no regular file is refused before.
  await withFile(path, async () => undefined)
  let zip: yauzl.ZipFile | undefined
  try {
    // CommonJS: a bundle in ESM can't run it, and this way says so only when it is needed.
    const { openPromise } = await import('yauzl')
    zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true })
    return await readArrays(zip, path, maxBytes)
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), undefined, cause)
  } finally {
    zip?.close()
  }
}

async function readArrays(zip: yauzl.ZipFile, path: string, maxBytes: number): Promise<Record<string, ArrayData>> {
  const arrays = new Map<string, ArrayData>()
  let bytes = 0
  for await (const entry of zip.eachEntry()) {
    if (!entry.fileName.endsWith('.npy')) continue
    const name = entry.fileName.slice(0, -'.npy'.length)
    if (arrays.has(name)) throw unreadable(path, `it has '${name}' twice`)
    bytes += entry.uncompressedSize
    if (bytes > maxBytes) {
      const words = `${path} could not be read: with '${name}' it unpacks to ${bytes} bytes, more than ${maxBytes}`
      throw new EspalierError('ERR_LIMIT', words, { hint: 'Raise maxBytes, if you trust the file.' })
    }
    arrays.set(name, await decodeNpy(sourceOf(`${path}: ${name}`, await unpacked(zip, entry, path))))
  }
  // Own properties, whatever the names are.
  return Object.fromEntries(arrays)
}

/** Bytes that one byte of a deflate stream can stand for, at most. */
const MAX_RATIO = 1032

async function unpacked(zip: yauzl.ZipFile, entry: yauzl.Entry, path: string): Promise<Uint8Array> {
  const { fileName, uncompressedSize, compressedSize } = entry
  if (uncompressedSize > MAX_RATIO * compressedSize + MAX_RATIO || compressedSize > zip.fileSize) {
    throw unreadable(path, `${fileName} can't be of ${uncompressedSize} bytes, packed in ${compressedSize}`)
  }
  const bytes = new Uint8Array(uncompressedSize)
  let at = 0
  // yauzl ends the stream with an error when it gives another number of bytes than the entry tells.
  for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (crc32(bytes) !== entry.crc32) throw unreadable(path, `${fileName} has a wrong checksum`)
  return bytes
}
