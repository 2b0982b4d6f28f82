import { setTimeout as sleep } from 'node:timers/promises'
import { aborted, abortIf } from '../../../base/abort.js'
import type { Progress } from '../progress.js'
import { NetworkFailure } from './failure.js'
import type { Network } from './network.js'

/**
 * Tries again what may pass, with pauses that double. Tries count from the last one that came further: `reached` says how far
 * the work is.
 *
 * @throws NetworkFailure of the last try; EspalierError ERR_ABORTED
 */
export async function retrying<T>(
  network: Network,
  progress: Progress,
  work: () => Promise<T>,
  reached: () => number = () => 0,
): Promise<T> {
  let furthest = reached()
  let failed = 0
  for (;;) {
    abortIf(network.signal)
    try {
      return await work()
    } catch (error) {
      abortIf(network.signal)
      if (!(error instanceof NetworkFailure) || !error.passes) throw error
      failed = reached() > furthest ? 1 : failed + 1
      furthest = Math.max(furthest, reached())
      if (failed >= network.tries) throw error
      // Not all at once, where many wait for the same server.
      const wait = error.wait ?? network.pause * 2 ** (failed - 1) * (0.75 + Math.random() / 2)
      progress.say(`  ${error.message}; trying again in ${Math.ceil(wait / 1000)} s`)
      await pause(wait, network.signal)
    }
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return void (await sleep(ms))
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    throw aborted(signal)
  }
}
