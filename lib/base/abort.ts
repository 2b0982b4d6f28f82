import { EspalierError } from './errors.js'

/** Throws ERR_ABORTED when the signal was raised. */
export function abortIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal)
}

export function aborted(signal: AbortSignal): EspalierError {
  return new EspalierError('ERR_ABORTED', 'the work was cancelled', { cause: signal.reason })
}

/** Waits for a user's work, which may never end: as long as the signal is not raised. */
export async function untilAborted<T>(work: T | PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let stop = () => {}
  const abort = new Promise<never>((_, reject) => {
    stop = () => reject(aborted(signal))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, abort])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
