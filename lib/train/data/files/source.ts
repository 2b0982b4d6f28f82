import type { FileHandle } from 'node:fs/promises'
import { withFile } from '../../../base/files.js'
import { unreadable } from './unreadable.js'

/** Bytes that are read piece by piece: of a file, or of an entry of an archive. */
export interface Source {
  /** What messages call it. */
  readonly name: string
  readonly size: number
  /** Bytes `from` to `from + length`, as a copy; they must be there. */
  read(from: number, length: number): Promise<ArrayBuffer>
}

/** One call of the system takes less than 2 GiB. */
const PIECE = 2 ** 30

/**
 * Opens a file, for as long as `use` reads it.
 *
 * @throws EspalierError ERR_READ
 */
export async function withSource<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  return await withFile(path, async (file, size) => {
    return await use({ name: path, size, read: (from, length) => readPieces(file, from, length, path) })
  })
}

/** The source of bytes that are in memory. */
export function sourceOf(name: string, bytes: Uint8Array): Source {
  const read = async (from: number, length: number) => Uint8Array.from(bytes.subarray(from, from + length)).buffer
  return { name, size: bytes.length, read }
}

async function readPieces(file: FileHandle, from: number, length: number, name: string): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(bytes, at, Math.min(PIECE, length - at), from + at)
    if (bytesRead === 0) throw unreadable(name, 'it became shorter while it was read')
    at += bytesRead
  }
  return bytes.buffer
}
