import { writeSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { EspalierError } from '../../../base/errors.js'
import { sha256 } from '../checksum.js'
import { megabytes, type Progress, whileReporting } from '../progress.js'
import { Arriving } from './arriving.js'
import { connectionFailure, NetworkFailure, statusFailure } from './failure.js'
import { Meter } from './meter.js'
import { type Network, watchdog } from './network.js'
import { type Origin, Part } from './part.js'
import { type Answer, get } from './request.js'
import { retrying } from './retry.js'
import { shown } from './url.js'

/** A file somewhere on the network. */
export interface Remote {
  readonly url: URL
  readonly name: string
  /** What it must have, as far as it is known. */
  readonly sha256: string | undefined
  readonly bytes: number | undefined
}

/**
 * Fetches a file to `path`. It appears there only when it is whole and has its sum; until then it is `path.part`, with which a
 * later call goes on.
 *
 * @throws NetworkFailure; EspalierError ERR_ABORTED, or ERR_INSTALL when the disk is full
 */
export async function downloadFile(remote: Remote, path: string, network: Network, progress: Progress): Promise<void> {
  const part = new Part(`${path}.part`)
  const meter = new Meter()
  if (part.size > 0) progress.say(`  going on at ${megabytes(part.size)}, fetched before`)
  const total = () => remote.bytes ?? part.origin?.total
  const reporting = (work: () => Promise<void>) =>
    whileReporting(
      progress,
      () => meter.text(total()),
      work,
      () => meter.part(total()),
    )
  const fetchRest = () =>
    retrying(
      network,
      progress,
      () => fetchFrom(remote, part, network, meter),
      () => part.size,
    )
  await reporting(fetchRest)
  let sum = await sha256(`${path}.part`, progress)
  // Pieces of different answers may be pieces of different files; those of one answer are what the server has.
  if (!isRight(remote, sum) && part.pieces > 1) {
    progress.say('  the pieces do not fit together; once more from the beginning')
    await part.remove()
    await reporting(fetchRest)
    sum = await sha256(`${path}.part`, progress)
  }
  if (!isRight(remote, sum)) {
    await part.remove()
    throw new NetworkFailure(`${shown(remote.url)} has SHA-256 ${sum}, expected ${remote.sha256}; it was deleted`)
  }
  await part.finish(path)
}

const isRight = (remote: Remote, sum: string) => remote.sha256 === undefined || remote.sha256 === sum

/** One request for what is missing. */
async function fetchFrom(remote: Remote, part: Part, network: Network, meter: Meter): Promise<void> {
  const headers = await rangeHeaders(remote, part)
  if (part.size > 0 && part.size === remote.bytes) return
  const answer = await get(remote.url, headers, network)
  const arriving = new Arriving(answer.message)
  try {
    const { message, url } = answer
    if (message.statusCode === 416 && part.size > 0) {
      if (totalOf(message) === part.size) return
      await part.remove()
      throw new NetworkFailure(`${shown(url)} is shorter than before`, { passes: true })
    }
    const from = message.statusCode === 206 ? part.size : 0
    const origin = await checkedOrigin(remote, part, answer)
    const file = await part.open(origin, from)
    try {
      await receive(answer, arriving, file, part, network, meter)
    } finally {
      await file.close()
    }
    if (origin.total !== undefined && part.size < origin.total) {
      throw new NetworkFailure(`${url.host} broke off at ${megabytes(part.size)}`, { passes: true })
    }
  } finally {
    answer.message.destroy()
  }
}

/** Asks for the rest of the same file; a part of which nobody can say whether it is the same is thrown away. */
async function rangeHeaders(remote: Remote, part: Part): Promise<OutgoingHttpHeaders> {
  if (part.size === 0) return {}
  const validator = part.origin?.url === remote.url.href ? part.origin.validator : undefined
  const isTooLong = remote.bytes !== undefined && part.size > remote.bytes
  // With a known sum the part of another server is as good: the sum tells.
  if (isTooLong || (validator === undefined && remote.sha256 === undefined)) {
    await part.remove()
    return {}
  }
  return { range: `bytes=${part.size}-`, ...(validator === undefined ? {} : { 'if-range': validator }) }
}

/** What the headers say of the file, if that can be the one that is wanted and, in a 206, the one that was begun. */
async function checkedOrigin(remote: Remote, part: Part, { message, url }: Answer): Promise<Origin> {
  const { statusCode = 0, headers } = message
  if (statusCode !== 200 && statusCode !== 206) throw statusFailure(url, statusCode, headers['retry-after'])
  const total = totalOf(message)
  if (remote.bytes !== undefined && total !== undefined && total !== remote.bytes) {
    throw new NetworkFailure(`${shown(url)} has ${total} bytes, expected ${remote.bytes}`)
  }
  const origin = { url: remote.url.href, validator: validatorOf(message), total: total ?? remote.bytes }
  if (statusCode === 200) return origin
  const start = /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1]
  const before = part.origin
  const isSame =
    before?.url !== origin.url ||
    ((before.total ?? origin.total) === origin.total && (before.validator ?? origin.validator) === origin.validator)
  if (Number(start) === part.size && isSame) return origin
  await part.remove()
  throw new NetworkFailure(`${shown(url)} is not the file that it was`, { passes: true })
}

function validatorOf({ headers }: IncomingMessage): string | undefined {
  const { etag } = headers
  return etag !== undefined && !etag.startsWith('W/') ? etag : headers['last-modified']
}

function totalOf({ statusCode, headers }: IncomingMessage): number | undefined {
  const text = statusCode === 200 ? headers['content-length'] : /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
  return text === undefined ? undefined : Number(text)
}

async function receive(
  { message, url }: Answer,
  arriving: Arriving,
  file: FileHandle,
  part: Part,
  network: Network,
  meter: Meter,
): Promise<void> {
  const late = new NetworkFailure(`${url.host} sends nothing for ${network.quiet / 1000} s`, { passes: true })
  const watch = watchdog(network.quiet, () => message.destroy(late))
  meter.at(part.size)
  try {
    await arriving.into((chunk) => {
      append(file, chunk, part)
      meter.at(part.size)
      watch.touch()
      const { total } = part.origin ?? {}
      if (total !== undefined && part.size > total) throw new NetworkFailure(`${url.host} sends more than it said`)
    })
  } catch (error) {
    if (part.origin?.total !== undefined && part.size > part.origin.total) await part.remove()
    throw error instanceof EspalierError ? error : connectionFailure(url, error)
  } finally {
    watch.stop()
  }
}

/** At once: what waits to be written is lost when the stream breaks off. */
function append(file: FileHandle, chunk: Buffer, part: Part): void {
  try {
    for (let at = 0; at < chunk.length; ) {
      const written = writeSync(file.fd, chunk, at)
      part.size += written
      at += written
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    throw new EspalierError(
      'ERR_INSTALL',
      full ? `No space is left for the download` : `The download can't be written`,
      {
        detail: message,
        hint: full ? 'Make room and run it again: it goes on where it was. XDG_CACHE_HOME moves the cache.' : undefined,
        cause,
      },
    )
  }
}
