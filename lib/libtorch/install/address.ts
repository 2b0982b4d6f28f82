import { basename, join } from 'node:path'
import { EspalierError } from '../../base/errors.js'
import { AFTER_FAILURE } from './cannot-fetch.js'
import type { KnownFile } from './known.js'
import { downloadFile } from './net/download.js'
import { NetworkFailure } from './net/failure.js'
import type { Network } from './net/network.js'
import { shown, urlOf } from './net/url.js'
import type { Progress } from './progress.js'

export interface AddressOptions {
  readonly files: readonly KnownFile[]
  readonly trust: boolean
  readonly network: Network
  readonly progress: Progress
}

/** Whether `--from` names a file on the network. */
export const isAddress = (from: string): boolean => /^https?:\/\//.test(from)

/**
 * Fetches the file that the user names by its address into `folder`.
 *
 * @throws EspalierError ERR_INSTALL, ERR_ABORTED
 */
export async function fetchAddress(from: string, folder: string, options: AddressOptions): Promise<string> {
  const { files, trust, network, progress } = options
  const url = urlOf(from)
  const name = url === undefined ? '' : nameOf(url)
  if (url === undefined || !/.\.(whl|zip)$/.test(name)) {
    throw new EspalierError('ERR_INSTALL', `--from: ${url === undefined ? from : shown(url)} names no .whl or .zip`, {
      hint: 'Name the file itself, not a page that links to it.',
    })
  }
  const known = files.find((file) => file.name === name)
  if (known === undefined && !trust) {
    throw new EspalierError('ERR_INSTALL', `no checksum is known for ${name}`, {
      hint: `If you trust ${url.host}, install it with --trust; doctor will name it.`,
    })
  }
  progress.say(`fetching ${name} from ${url.host}`)
  const path = join(folder, name)
  try {
    await downloadFile({ url, name, sha256: known?.sha256, bytes: known?.bytes }, path, network, progress)
    return path
  } catch (error) {
    if (!(error instanceof NetworkFailure)) throw error
    throw new EspalierError('ERR_INSTALL', error.message, { hint: AFTER_FAILURE, cause: error })
  }
}

function nameOf(url: URL): string {
  try {
    return basename(decodeURIComponent(url.pathname))
  } catch {
    return ''
  }
}
