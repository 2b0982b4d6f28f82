import { count, maybe, number, object } from '../schema/index.js'

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
  /**
   * How deep values, types, calls and the program's brackets, operators and blocks may be nested: at most 2,000, for which
   * there is stack. Default 256.
   */
  depth?: number | undefined
}

export const LOAD_LIMITS = object<LoadLimits>(
  {
    entries: maybe(count()),
    inflated: maybe(count()),
    memory: maybe(count()),
    depth: maybe(number({ min: 1, max: 2000, integer: true })),
  },
  'an object of limits',
)
