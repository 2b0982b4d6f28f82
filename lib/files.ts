import { open, rename, rm } from 'node:fs/promises'
import { EspalierError } from './errors.js'

/**
 * Writes a file by a temporary name beside it, flushed and renamed: whatever happens, the old file or the new one is there.
 *
 * @throws EspalierError `ERR_WRITE` with the system's reason
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    const reason = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new EspalierError('ERR_WRITE', `${path} could not be written: ${reason}`, { cause: error })
  }
}
