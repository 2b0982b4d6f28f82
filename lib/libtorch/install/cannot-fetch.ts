import { EspalierError } from '../../base/errors.js'
import { type Variant, VERSIONS } from './known.js'

/** What a person can do when no place gives the file. */
export const AFTER_FAILURE = [
  'Run it again: it goes on where it was. HTTPS_PROXY names a proxy, NODE_EXTRA_CA_CERTS the certificate of your network, and',
  '  npx espalier install-libtorch --index https://mirror.example.org/simple',
  'asks a mirror. Or fetch the file on another machine and run',
  '  npx espalier install-libtorch --from FILE',
].join('\n')

/** What each place said, in the order in which they were asked. */
export function cannotFetch(variant: Variant, failures: readonly string[]): EspalierError {
  const what = `LibTorch ${VERSIONS[variant]} (${variant}) can't be fetched`
  return new EspalierError('ERR_INSTALL', failures.length === 1 ? `${what}: ${failures[0]}` : what, {
    detail: failures.length === 1 ? undefined : failures.join('\n'),
    hint: AFTER_FAILURE,
  })
}
