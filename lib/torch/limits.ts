import { count, maybe, object } from '../schema/index.js'

/**
 * How much a file may ask for before anything of it runs; beyond it `load` throws ERR_LIMIT. Time is limited by `signal`:
 * `AbortSignal.timeout(ms)`.
 */
export interface LoadLimits {
  /** Entries of the archive. Default 100,000. */
  entries?: number | undefined
  /** Bytes of all compressed entries once inflated. Default 1 GiB. (Models are stored uncompressed as a rule.) */
  inflated?: number | undefined
  /** Bytes of all values and tensors. Default: four times the file, at least 4 GiB. */
  memory?: number | undefined
  /** How deep values, types and the program's brackets, operators and blocks may be nested. Default 256. */
  depth?: number | undefined
}

export const LOAD_LIMITS = object<LoadLimits>(
  { entries: maybe(count()), inflated: maybe(count()), memory: maybe(count()), depth: maybe(count()) },
  'an object of limits',
)
