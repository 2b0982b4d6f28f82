import { aborted } from '../base/abort.js'
import { EspalierError } from '../base/errors.js'
import { type Entries, flag, maybe, object, signal as signalSchema } from '../base/schema/index.js'
import type { JobOptions } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'

/** Milliseconds that work has to end after it was cancelled, before its thread is left behind. */
const PATIENCE = 1000

/** How work on the native thread is done. */
export interface RunOptions {
  /** Whether autograd records what is done. Default false; of a module, whether it is in training mode. */
  grad?: boolean | undefined
  /**
   * Cancels the work; none by default. What waits is dropped, what runs stops at its next step, the promise is rejected
   * (ERR_ABORTED). A program stops at the next round of a loop. What goes on for a second after that (one long operator, a program that runs while its
   * file is read) is left behind: the promise is rejected all the same, but a thread of its own goes on until it ends or the
   * process does, and the module that it works on can't be used any more.
   */
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

/** Of a call that runs on the native thread. */
export type SignalOptions = Pick<RunOptions, 'signal'>

/** @internal */
export const SIGNAL_OPTIONS = object<SignalOptions>({ signal: RUN_ENTRIES.signal })

/** Starts a job whose cancel flag follows the signal. */
export async function withSignal<T>(options: RunOptions, start: (job: JobOptions) => Promise<T>): Promise<T> {
  const { signal } = options
  const job: JobOptions = { grad: options.grad ?? false, flushDenormals: options.flushDenormals ?? false }
  if (signal === undefined) return start(job)
  if (signal.aborted) throw aborted(signal)
  const cancel = binding().createCancel()
  job.cancel = cancel
  let patience: NodeJS.Timeout | undefined
  const onAbort = () => {
    binding().cancel(cancel)
    patience = setTimeout(() => binding().leaveBehind(cancel), PATIENCE)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await start(job)
  } catch (error) {
    if (error instanceof EspalierError && error.code === 'ERR_ABORTED' && signal.aborted) throw aborted(signal)
    throw error
  } finally {
    clearTimeout(patience)
    signal.removeEventListener('abort', onAbort)
  }
}
