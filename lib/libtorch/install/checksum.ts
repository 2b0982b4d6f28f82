import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { type Progress, whileReporting } from './progress.js'

export async function sha256(file: string, progress: Progress): Promise<string> {
  const hash = createHash('sha256')
  await whileReporting(
    progress,
    () => `checking ${basename(file)}`,
    async () => {
      for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
    },
  )
  return hash.digest('hex')
}
