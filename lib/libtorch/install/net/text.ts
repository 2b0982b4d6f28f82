import type { OutgoingHttpHeaders } from 'node:http'
import type { Progress } from '../progress.js'
import { connectionFailure, NetworkFailure, statusFailure } from './failure.js'
import { type Network, watchdog } from './network.js'
import { get } from './request.js'
import { retrying } from './retry.js'
import { shown } from './url.js'

/** No page that is meant for this is longer. */
const MAX_BYTES = 64e6

export interface Page {
  readonly text: string
  readonly type: string
  readonly url: URL
}

/** A page of text, asked for again when what went wrong may pass. */
export function retryingText(
  start: URL,
  headers: OutgoingHttpHeaders,
  network: Network,
  progress: Progress,
): Promise<Page> {
  progress.status(`reading ${shown(start)}`)
  return retrying(network, progress, () => readText(start, headers, network))
}

async function readText(start: URL, headers: OutgoingHttpHeaders, network: Network): Promise<Page> {
  const { message, url } = await get(start, headers, network)
  const late = new NetworkFailure(`${url.host} sends nothing for ${network.quiet / 1000} s`, { passes: true })
  const watch = watchdog(network.quiet, () => message.destroy(late))
  try {
    const status = message.statusCode ?? 0
    if (status !== 200) throw statusFailure(url, status, message.headers['retry-after'])
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of message as AsyncIterable<Buffer>) {
      watch.touch()
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > MAX_BYTES) throw new NetworkFailure(`${shown(url)} does not end`)
    }
    return { text: Buffer.concat(chunks).toString('utf8'), type: message.headers['content-type'] ?? '', url }
  } catch (error) {
    throw connectionFailure(url, error)
  } finally {
    watch.stop()
    message.destroy()
  }
}
