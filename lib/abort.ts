import { EspalierError } from './errors.js'

/** Throws ERR_ABORTED when the signal was raised. */
export function abortIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new EspalierError('ERR_ABORTED', 'the work was cancelled', { cause: signal.reason })
}
