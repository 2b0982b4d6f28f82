import { EspalierError } from '../base/errors.js'
import { mustBeWritable, notWritten } from '../base/files.js'
import { withLock } from '../libtorch/install/lock.js'
import type { Work } from './command.js'

/**
 * Does work that reads and writes a file again and again, while no other process does such work with it.
 *
 * @throws EspalierError ERR_LOCKED while another one does; ERR_WRITE where there can be no lock beside it
 */
export async function alone<T>(path: string, { say, status, signal }: Work, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  await mustBeWritable(lock)
  let isBegun = false
  try {
    return await withLock(lock, { progress: { say, status }, patience: 0, signal }, () => {
      isBegun = true
      return work()
    })
  } catch (error) {
    throw isBegun || error instanceof EspalierError ? error : notWritten(lock, error)
  }
}
