import { number, signature } from '../base/schema/index.js'
import { binding } from '../libtorch/index.js'

/** @internal */
export const MANUAL_SEED = signature('manualSeed', ['seed', number({ min: 0, integer: true })])
/** @internal */
export const SET_THREADS = signature('setThreads', ['threads', number({ min: 1, max: 1024, integer: true })])
/** @internal */
export const SET_MEMORY_LIMIT = signature('setMemoryLimit', [
  'bytes',
  number({ min: 1, max: Number.MAX_SAFE_INTEGER, integer: true }),
])

/**
 * Seeds LibTorch's random numbers (dropout, `aten::randn`, …), for the whole process, at once: await running work first.
 *
 * @param seed integer from 0 to 2^53 - 1
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { manualSeed, Tensor } from 'espalier'
 *
 * manualSeed(1)
 * const first = Tensor.randn([1]).item()
 * manualSeed(1)
 * console.log(Tensor.randn([1]).item() === first) // true
 * ```
 */
export function manualSeed(seed: number): void {
  MANUAL_SEED.check(seed)
  binding().manualSeed(seed)
}

/**
 * Sets how many threads an operator may use. Default: the number of cores. Holds for later work.
 *
 * @param threads integer from 1 to 1024
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { setThreads } from 'espalier'
 * import { threads } from 'espalier/torch'
 *
 * setThreads(1)
 * console.log(threads()) // 1
 * ```
 */
export function setThreads(threads: number): void {
  SET_THREADS.check(threads)
  binding().setThreads(threads)
}

/**
 * How many threads an operator may use; see {@link setThreads}.
 *
 * @example
 * ```ts
 * import { threads } from 'espalier/torch'
 *
 * console.log(threads() >= 1) // true
 * ```
 */
export function threads(): number {
  return binding().threads()
}

/**
 * Sets how much memory this process may have in use when LibTorch asks for more on the CPU: beyond it a tensor is refused with an
 * error, where the system would end the process. Default: 90 % of the memory of the machine or container.
 *
 * @param bytes 1 to 2^53 - 1
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { setMemoryLimit } from 'espalier'
 *
 * setMemoryLimit(8 * 2 ** 30)
 * ```
 */
export function setMemoryLimit(bytes: number): void {
  SET_MEMORY_LIMIT.check(bytes)
  binding().setMemoryLimit(bytes)
}

/**
 * Version of the LibTorch in use, `2.13.0`.
 *
 * @throws EspalierError as `loadLibtorch`, when this is the first call that needs LibTorch
 * @example
 * ```ts
 * import { torchVersion } from 'espalier/torch'
 *
 * console.log(torchVersion().split('.').length) // 3
 * ```
 */
export function torchVersion(): string {
  return binding().torchVersion()
}
