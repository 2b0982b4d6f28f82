import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { EspalierError } from '../base/errors.js'
import { becomes } from '../report/plan.js'

/** `model.pt` becomes `model-small.pt` with `-small`. */
export const nameWith = (path: string, word: string): string =>
  `${path.slice(0, path.length - extname(path).length)}${word}${extname(path) || '.pt'}`

export const smallName = (path: string): string => nameWith(path, '-small')

/** `small.pt` becomes `small.html`. */
export const pageName = (path: string): string => `${path.slice(0, path.length - extname(path).length)}.html`

/** The model stays as it is, whatever it is called. @throws ERR_INVALID_ARGUMENT */
export async function mustBeAnother(path: string, out: string): Promise<void> {
  const [given, wanted] = await Promise.all(
    [path, out].map((file) => stat(file, { bigint: true }).catch(() => undefined)),
  )
  if (given === undefined || wanted === undefined || given.ino !== wanted.ino || given.dev !== wanted.dev) return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `${out} is the model itself, which stays as it is`, {
    hint: 'Name another file: -o small.pt',
  })
}

/** Both sizes in words. */
export const sizes = ({
  params,
  macs,
}: {
  params: readonly [number, number]
  macs: readonly [number, number]
}): string[] => [`parameters  ${becomes(params)}`, `MACs        ${becomes(macs)}`]
