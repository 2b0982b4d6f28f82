import { EspalierError } from '../../../base/errors.js'

/** The error for a file that is not what its format says. */
export function unreadable(name: string, words: string, hint?: string, cause?: unknown): EspalierError {
  return new EspalierError('ERR_READ', `${name} could not be read: ${words}`, { hint, cause })
}
