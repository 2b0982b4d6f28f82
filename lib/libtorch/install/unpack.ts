import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import * as yauzl from 'yauzl'
import { aborted, abortIf } from '../../base/abort.js'
import { EspalierError } from '../../base/errors.js'
import { megabytes, type Progress } from './progress.js'

/** What to take from an archive: the path that an entry gets under the target folder; undefined leaves it out. */
export type Select = (name: string) => string | undefined

/** From a wheel (`torch/…`) or the official zip (`libtorch/…`): what compiling and running needs, nothing of Python. */
export const selectLibtorch: Select = (name) => {
  const match = /^(?:torch|libtorch)\/((?:lib|include|share)\/.+|version\.py|build-version)$/.exec(name)
  return match?.[1]
}

/** From an nvidia-* wheel: its libraries, where the run path of LibTorch's CUDA build looks for them. */
export const selectNvidia: Select = (name) => (/^nvidia\/.+\/lib\/.+/.test(name) ? name : undefined)

/** Names of an archive's entries, without unpacking any. */
export async function listEntries(file: string): Promise<string[]> {
  const zip = await openZip(file)
  const names: string[] = []
  await reading(file, async () => {
    for await (const entry of zip.eachEntry()) names.push(entry.fileName)
  })
  return names
}

/**
 * Unpacks the selected entries under `folder`, each checked by size and CRC. Returns how many files were written.
 *
 * @throws EspalierError ERR_INSTALL for an archive that is truncated or damaged, or has an entry that would leave `folder`;
 *   ERR_ABORTED
 */
export async function unpack(
  file: string,
  folder: string,
  select: Select,
  progress: Progress,
  signal?: AbortSignal,
): Promise<number> {
  const zip = await openZip(file)
  let files = 0
  let bytes = 0
  await reading(file, async () => {
    for await (const entry of zip.eachEntry()) {
      abortIf(signal)
      const target = select(entry.fileName)
      if (target === undefined || entry.fileName.endsWith('/')) continue
      const path = inside(folder, target)
      if (isLink(entry)) throw new Error(`${entry.fileName} is a symbolic link`)
      await mkdir(dirname(path), { recursive: true })
      const wrote = (written: number) => {
        bytes += written
        progress.status(`unpacking: ${files} files, ${megabytes(bytes)}`)
      }
      try {
        await writeEntry(zip, entry, path, wrote, signal)
      } catch (error) {
        throw signal?.aborted ? aborted(signal) : error
      }
      files++
    }
  })
  return files
}

async function openZip(file: string): Promise<yauzl.ZipFile> {
  return await reading(file, () => yauzl.openPromise(file, { lazyEntries: true, strictFileNames: true }))
}

async function reading<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    const words = cause instanceof Error ? cause.message : String(cause)
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC'
    throw new EspalierError('ERR_INSTALL', full ? `No space left to unpack ${file}` : `${file} can't be unpacked`, {
      detail: words,
      hint: full ? 'LibTorch takes 0.6 GB; CUDA builds about 6 GB.' : 'Fetch it again: it is damaged or incomplete.',
      cause,
    })
  }
}

function inside(folder: string, name: string): string {
  const root = resolve(folder)
  const path = resolve(join(root, name))
  if (!path.startsWith(root + sep)) throw new Error(`entry ${name} would leave the folder`)
  return path
}

function isLink(entry: yauzl.Entry): boolean {
  return ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000
}

async function writeEntry(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  path: string,
  wrote: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let sum = 0
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum)
      wrote(chunk.length)
      done(null, chunk)
    },
    flush(done) {
      done(sum === entry.crc32 ? null : new Error(`${entry.fileName}: wrong checksum`))
    },
  })
  const stream = await zip.openReadStreamPromise(entry)
  await pipeline(stream, check, createWriteStream(path), signal === undefined ? {} : { signal })
}
