import { basename, join } from 'node:path'
import { type KnownFile, projectOf } from './known.js'
import type { Mirror } from './mirrors.js'
import { downloadFile, type Remote } from './net/download.js'
import { NetworkFailure } from './net/failure.js'
import type { Network } from './net/network.js'
import { shown } from './net/url.js'
import type { Progress } from './progress.js'
import { readIndex } from './simple-index.js'

export interface DirectOptions {
  /** The file that is wanted. */
  readonly known: KnownFile
  /** The only place to ask. */
  readonly named: Mirror | undefined
  /** Asked after the publisher. */
  readonly fallback: Mirror | undefined
  /** Also takes another wheel of the same build, whose sum is not known. */
  readonly trust: boolean
  /** Places that gave no answer, and what was said of each: they are not asked again. More are added. */
  readonly silent: Map<string, string>
  readonly network: Network
  readonly progress: Progress
}

/** Where a file may be, and how it is found there. */
interface Place {
  readonly name: string
  readonly find: (network: Network) => Promise<Remote>
}

/** The path of the file that was fetched, or why each place did not give it, a line each. */
export type Fetched = { readonly path: string } | { readonly failures: readonly string[] }

/** Fetches the wanted file into `folder` from the first place that gives it. */
export async function fetchDirectly(folder: string, options: DirectOptions): Promise<Fetched> {
  const { network, progress, silent } = options
  const places = placesOf(options)
  const failures: string[] = []
  for (const [i, place] of places.entries()) {
    const before = silent.get(place.name)
    if (before !== undefined) {
      failures.push(before)
      continue
    }
    // A place that can't be reached must not hold up the next one.
    const tries = i < places.length - 1 ? Math.min(network.tries, 2) : network.tries
    try {
      const remote = await place.find({ ...network, tries })
      progress.say(`fetching ${remote.name} from ${place.name}`)
      const path = join(folder, remote.name)
      await downloadFile(remote, path, { ...network, tries }, progress)
      return { path }
    } catch (error) {
      if (!(error instanceof NetworkFailure)) throw error
      progress.say(`  not there: ${error.message}`)
      failures.push(error.message)
      if (error.unanswered) silent.set(place.name, error.message)
    }
  }
  return { failures }
}

function placesOf(options: DirectOptions): Place[] {
  const { known, named, fallback } = options
  const atIndex = ({ url, by }: Mirror): Place => ({
    name: `${shown(url)} (${by})`,
    find: (network) => findAt(url, { ...options, network }),
  })
  if (named !== undefined) return [atIndex(named)]
  const url = new URL(known.url)
  const upstream: Place = { name: url.host, find: async () => ({ ...known, url }) }
  return fallback === undefined ? [upstream] : [upstream, atIndex(fallback)]
}

async function findAt(index: URL, { known, trust, network, progress }: DirectOptions): Promise<Remote> {
  const files = await readIndex(index, projectOf(known.name), network, progress)
  const file = files.find(({ name }) => name === known.name)
  if (file !== undefined && (file.sha256 ?? known.sha256) === known.sha256) return { ...known, url: file.url }
  const others = files.filter(({ name }) => name !== known.name && isSameBuild(name, known))
  if (trust && others[0] !== undefined) return { ...others[0], bytes: undefined }
  if (file === undefined) throw new NetworkFailure(`${shown(index)} has no ${known.name}`)
  throw new NetworkFailure(`${shown(index)} lists ${known.name} with SHA-256 ${file.sha256}, expected ${known.sha256}`)
}

/** The same version, variant and platform, made for another Python, which doesn't matter: nothing of Python is used. */
function isSameBuild(name: string, { name: wanted }: KnownFile): boolean {
  const parts = (text: string) => text.replace(/-cp\d+-cp\d+t?-/, '-')
  return basename(name) === name && parts(name) === parts(wanted)
}
