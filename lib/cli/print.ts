import { EspalierError } from '../base/errors.js'
import { reasonOf } from '../base/files.js'

/**
 * Prints a result on stdout, and waits until it is there. Who has stopped reading, as `head` does, has what it wanted.
 *
 * @throws EspalierError ERR_WRITE, as on a full disk: what was asked for is not there
 */
export async function print(text: string): Promise<void> {
  const { stdout } = process
  // It may be told here, too, and later; unheard it would end the process.
  if (stdout.listenerCount('error') === 0) stdout.on('error', () => {})
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((done) => {
    stdout.once('error', done)
    stdout.write(`${text}\n`, (error) => {
      stdout.off('error', done)
      done(error)
    })
  })
  if (error == null || error.code === 'EPIPE') return
  throw new EspalierError('ERR_WRITE', `the result could not be printed: ${reasonOf(error)}`, {
    cause: error,
  })
}
