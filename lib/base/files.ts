import type { Stats } from 'node:fs'
import { appendFileSync, constants, lstatSync, readFileSync, readlinkSync, statSync, truncateSync } from 'node:fs'
import { access, type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { EspalierError } from './errors.js'

/**
 * Reads a file. Only a regular one: a FIFO or a device could be read for ever.
 *
 * @throws EspalierError ERR_READ with the system's reason; ERR_INVALID_ARGUMENT for a path with a NUL
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  return await withFile(path, async (file) => await file.readFile())
}

/**
 * Opens a file, for as long as `use` reads it. Only a regular one, as {@link readBytes}.
 *
 * @throws EspalierError as {@link readBytes}, for what `use` throws, too; its own EspalierErrors stay as they are
 */
export async function withFile<T>(path: string, use: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  refuseNul(path)
  let file: FileHandle | undefined
  try {
    // Not blocking: opening a FIFO would wait for a writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await file.stat()
    if (info.isDirectory()) throw new Error('EISDIR')
    if (!info.isFile()) throw new Error(NOT_REGULAR)
    return await use(file, info.size)
  } catch (error) {
    if (error instanceof EspalierError) throw error
    throw new EspalierError('ERR_READ', `${path} could not be read: ${reasonOf(error)}`, { cause: error })
  } finally {
    await file?.close()
  }
}

/** As {@link readBytes}, for a text. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path))
}

/**
 * Writes a file by a temporary name beside it, flushed and renamed: whatever happens, the old file or the new one is there.
 * A link is written through, an older file's permissions stay, only regular files are replaced, and what a killed writer left
 * is removed. Modules and checkpoints are written natively, by the same rule (native/binding/atomic_file.h).
 *
 * @throws EspalierError ERR_WRITE with the system's reason; ERR_INVALID_ARGUMENT for a path with a NUL
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  refuseNul(path)
  let temporary: string | undefined
  try {
    const target = followLinks(resolve(path))
    const older = replaced(target)
    await removeLeftovers(target)
    temporary = join(dirname(target), `${stemOf(target)}${ownerText(process.pid)}${randomText()}.part`)
    const file = await open(temporary, 'wx')
    try {
      if (older !== undefined) await file.chmod(older.mode & 0o7777)
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined)
    throw notWritten(path, error)
  }
}

/**
 * What can be known before there is anything to write: that a file can be made, or replaced, at this path.
 *
 * @param options.inPlace a file that is there is written into, as {@link appendText} does; default false
 * @throws EspalierError as {@link writeFileAtomic}
 */
export async function mustBeWritable(path: string, { inPlace = false }: { inPlace?: boolean } = {}): Promise<void> {
  refuseNul(path)
  try {
    const target = followLinks(resolve(path))
    const older = replaced(target)
    await access(inPlace && older !== undefined ? target : dirname(target), constants.W_OK)
  } catch (error) {
    throw notWritten(path, error)
  }
}

/**
 * Appends to a file, which is made if it is not there. Where there is no room for all of it the file stays as it was.
 *
 * @param options.fresh what was in it goes first; default false
 * @throws EspalierError as {@link writeFileAtomic}
 */
export function appendText(path: string, text: string, { fresh = false }: { fresh?: boolean } = {}): void {
  refuseNul(path)
  try {
    const older = replaced(path)
    const size = fresh ? 0 : (older?.size ?? 0)
    try {
      appendFileSync(path, text, { flag: fresh ? 'w' : 'a' })
    } catch (error) {
      cutBack(path, size)
      throw error
    }
  } catch (error) {
    throw notWritten(path, error)
  }
}

/**
 * Cuts off what stands behind the last whole line of a file, if it is there.
 *
 * @throws EspalierError as {@link writeFileAtomic}
 */
export function dropBrokenLine(path: string): void {
  refuseNul(path)
  try {
    const size = replaced(path)?.size ?? 0
    if (size === 0) return
    const end = readFileSync(path).lastIndexOf(NEW_LINE) + 1
    if (end < size) truncateSync(path, end)
  } catch (error) {
    throw notWritten(path, error)
  }
}

const NEW_LINE = 10

/** A part of what was to be appended goes again. */
function cutBack(path: string, size: number): void {
  try {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > size) truncateSync(path, size)
  } catch {
    // What was wrong before is told.
  }
}

const NOT_REGULAR = 'it is a device, a socket or a FIFO'
const MAX_LINKS = 40
/** Of a temporary name; with what follows it stays below the 255 bytes of NAME_MAX. */
const STEM_BYTES = 200

function refuseNul(path: string): void {
  if (path.includes('\0')) throw new EspalierError('ERR_INVALID_ARGUMENT', `a path can't hold the character NUL`)
}

/** Why the system refuses: in its words, with its code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message } = error as NodeJS.ErrnoException
  // "ENOENT: no such file or directory, open 'x'"
  const words = /^E[A-Z0-9]+: (.+?)(?:, \w+(?: '.*)?)?$/s.exec(message)?.[1]
  return code === undefined || words === undefined ? (code ?? message) : `${words} (${code})`
}

/** The error for what could not be written. */
export function notWritten(path: string, error: unknown): EspalierError {
  return new EspalierError('ERR_WRITE', `${path} could not be written: ${reasonOf(error)}`, { cause: error })
}

/** The file that is there, or none. */
function replaced(path: string): Stats | undefined {
  const older = statSync(path, { throwIfNoEntry: false })
  if (older?.isDirectory()) throw new Error('EISDIR')
  if (older !== undefined && !older.isFile()) throw new Error(NOT_REGULAR)
  return older
}

/** The file itself may not be there yet, so that realpath() is no help. */
function followLinks(path: string): string {
  let at = path
  for (let links = 0; lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink(); links++) {
    if (links === MAX_LINKS) throw new Error('ELOOP')
    at = resolve(dirname(at), readlinkSync(at))
  }
  return at
}

/** The start of a name, at whole characters of UTF-8. */
function stemOf(path: string): string {
  const bytes = Buffer.from(basename(path))
  let size = Math.min(bytes.length, STEM_BYTES)
  while (size < bytes.length && size > 0 && (bytes.readUInt8(size) & 0xc0) === 0x80) size--
  return `${bytes.toString('utf8', 0, size)}.`
}

/** "7f3a01bc-1234-": this machine and this process. The name of the temporary file goes on with a random number. */
function ownerText(process: number): string {
  return `${hex(crc32(hostname()))}-${process}-`
}

const hex = (number: number) => number.toString(16).padStart(8, '0')
const randomText = () => hex(Math.floor(Math.random() * 2 ** 32))

/** Those of processes of this machine that are no more. */
async function removeLeftovers(path: string): Promise<void> {
  const stem = stemOf(path)
  // A folder that can't be listed may still be written to; one that isn't there is told when the file is opened.
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    if (!name.startsWith(stem)) continue
    const [, process] = /^[0-9a-f]{8}-(\d+)-[0-9a-f]{8}\.part$/.exec(name.slice(stem.length)) ?? []
    if (process === undefined || !name.startsWith(stem + ownerText(Number(process)))) continue
    if (!isAlive(Number(process))) await rm(join(dirname(path), name), { force: true })
  }
}

function isAlive(process_: number): boolean {
  try {
    process.kill(process_, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
