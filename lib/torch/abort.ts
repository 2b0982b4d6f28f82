import { EspalierError } from '../errors.js'
import { type Entries, flag, maybe, object, signal as signalSchema } from '../schema/index.js'
import type { JobOptions } from './binding.js'
import { binding } from './runtime/index.js'

/** How work on the native thread is done. */
export interface RunOptions {
  /** Autograd records what is done. Default false. */
  grad?: boolean | undefined
  /** Cancels the work: what waits is dropped, what runs stops at its next step, the promise is rejected (ERR_ABORTED). */
  signal?: AbortSignal | undefined
  /** Numbers too small for the normal range of floats are taken as zero, which some CPUs compute much faster. Default false. */
  flushDenormals?: boolean | undefined
}

/** @internal */
export const RUN_ENTRIES: Entries<RunOptions> = {
  grad: maybe(flag),
  signal: maybe(signalSchema),
  flushDenormals: maybe(flag),
}

/** @internal */
export const RUN_OPTIONS = object<RunOptions>(RUN_ENTRIES)

/** Starts a job whose cancel flag follows the signal. */
export async function withSignal<T>(options: RunOptions, start: (job: JobOptions) => Promise<T>): Promise<T> {
  const { signal } = options
  const job: JobOptions = { grad: options.grad ?? false, flushDenormals: options.flushDenormals ?? false }
  if (signal === undefined) return start(job)
  if (signal.aborted) throw aborted(signal)
  const cancel = binding().createCancel()
  job.cancel = cancel
  const onAbort = () => binding().cancel(cancel)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await start(job)
  } catch (error) {
    if (error instanceof EspalierError && error.code === 'ERR_ABORTED' && signal.aborted) throw aborted(signal)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function aborted(signal: AbortSignal): EspalierError {
  return new EspalierError('ERR_ABORTED', 'the work was cancelled', { cause: signal.reason })
}
