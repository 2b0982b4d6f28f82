/**
 * What can go wrong, by code. The codes are API: a code is never renamed or reused.
 * The table of docs/reference/errors.md is this one.
 */
export const ERROR_CODES = {
  ERR_LIBTORCH_NOT_FOUND: 'No usable LibTorch was found; the detail lists every place tried and why it was not taken.',
  ERR_LIBTORCH_INVALID: 'A LibTorch that was named explicitly (option, LIBTORCH) is not one or is not complete.',
  ERR_LIBTORCH_VERSION: 'The LibTorch found or named has a version that this build of Espalier was not made for.',
  ERR_LIBTORCH_LOAD: 'The system loader refused LibTorch or the core library; the detail has its words.',
  ERR_NO_PREBUILD: 'There is no native binary for this platform, and none was built here.',
  ERR_INSTALL: 'LibTorch could not be fetched or unpacked.',
  ERR_LOCKED:
    'Another process does the same work at this moment: it installs LibTorch, or writes the same log or checkpoint.',
  ERR_DISPOSED: 'A tensor or module was used after dispose().',
  ERR_INVALID_ARGUMENT: 'An argument has a wrong type, shape, dtype or range.',
  ERR_MODEL_FILE: 'A file is not a TorchScript archive, or it is truncated or corrupted.',
  ERR_LIMIT: 'A file asks for more than a limit allows; the hint names the option.',
  ERR_FROZEN_MODULE: 'The module was frozen (torch.jit.freeze): it has no parameters left.',
  ERR_NOTHING_PRUNABLE: 'The model has no group of channels that can be pruned.',
  ERR_BUDGET: "The budget can't be met; the message says the best that can be reached.",
  ERR_NOT_FINITE: 'A weight, gradient, loss or score is NaN or infinite.',
  ERR_UNSUPPORTED: 'The model uses something that Espalier does not support; the message names it.',
  ERR_VERIFICATION: 'The cut model does not equal the masked one; nothing was saved.',
  ERR_WRITE: 'An output could not be written.',
  ERR_READ: 'An input could not be read.',
  ERR_CHECKPOINT: 'A checkpoint is damaged, of a newer version, or of another run.',
  ERR_ABORTED: 'The work was cancelled by its AbortSignal.',
  ERR_TORCH: 'LibTorch reported an error; the detail has its full text.',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** What an error tells beside its code and message. */
export interface EspalierErrorOptions {
  /** The full text behind the message: LibTorch's own words, the list of places tried, … None by default. */
  detail?: string | undefined
  /** What to do about it: a command or an option. None by default. */
  hint?: string | undefined
  /** What was thrown before it. None by default. */
  cause?: unknown
}

/**
 * The one error class of the package; native code constructs it too. `code` is stable API, `message` is for people.
 *
 * @example
 * ```ts
 * import { EspalierError, load } from 'espalier'
 *
 * try {
 *   await load('no-such-file.pt')
 * } catch (error) {
 *   if (error instanceof EspalierError) console.log(error.code) // ERR_READ
 * }
 * ```
 */
export class EspalierError extends Error {
  override readonly name = 'EspalierError'
  readonly code: ErrorCode
  readonly detail?: string
  readonly hint?: string

  constructor(code: ErrorCode, message: string, options: EspalierErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    if (options.detail !== undefined) this.detail = options.detail
    if (options.hint !== undefined) this.hint = options.hint
  }
}
