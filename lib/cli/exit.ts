import { type ErrorCode, EspalierError } from '../base/errors.js'

/** What a process ends with, by kind of error. The table of docs/reference/command-line.md is this one. */
export const EXIT = {
  unexpected: { status: 1, words: 'something else: a bug, or an error of LibTorch' },
  usage: { status: 2, words: 'the command line, the config or an argument is wrong' },
  input: { status: 3, words: 'a file can not be read, or is not what it should be' },
  model: { status: 4, words: 'the model can not be made smaller in this way' },
  output: { status: 5, words: 'an output can not be written' },
  setup: { status: 6, words: 'LibTorch, or the native part, is missing or does not fit' },
  aborted: { status: 130, words: 'Ctrl-C' },
} as const

const KINDS: Readonly<Record<ErrorCode, keyof typeof EXIT>> = {
  ERR_LIBTORCH_NOT_FOUND: 'setup',
  ERR_LIBTORCH_INVALID: 'setup',
  ERR_LIBTORCH_VERSION: 'setup',
  ERR_LIBTORCH_LOAD: 'setup',
  ERR_NO_PREBUILD: 'setup',
  ERR_INSTALL: 'setup',
  ERR_LOCKED: 'output',
  ERR_DISPOSED: 'unexpected',
  ERR_INVALID_ARGUMENT: 'usage',
  ERR_MODEL_FILE: 'input',
  ERR_LIMIT: 'input',
  ERR_FROZEN_MODULE: 'input',
  ERR_NOTHING_PRUNABLE: 'model',
  ERR_BUDGET: 'model',
  ERR_NOT_FINITE: 'model',
  ERR_UNSUPPORTED: 'model',
  ERR_VERIFICATION: 'model',
  ERR_WRITE: 'output',
  ERR_READ: 'input',
  ERR_CHECKPOINT: 'input',
  ERR_ABORTED: 'aborted',
  ERR_TORCH: 'unexpected',
}

/** The exit status for an error. */
export const statusOf = (error: unknown): number =>
  EXIT[error instanceof EspalierError ? KINDS[error.code] : 'unexpected'].status
