import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { EspalierError } from '../../base/errors.js'
import type { Host } from '../host.js'
import { cannotFetch } from './cannot-fetch.js'
import { sha256 } from './checksum.js'
import { fetchDirectly } from './direct.js'
import { type KnownFile, type Variant, wheelsOf } from './known.js'
import { namedMirror, pipMirror } from './mirrors.js'
import type { Network } from './net/network.js'
import { downloadWheels, type Run } from './pip.js'
import type { Progress } from './progress.js'

export interface FetchOptions {
  readonly variant: Variant
  readonly files: readonly KnownFile[]
  readonly index: string | undefined
  readonly trust: boolean
  readonly host: Host
  readonly network: Network
  readonly progress: Progress
  readonly run: Run
}

/**
 * Fetches the wheels of a variant into `folder` and gives their paths: over HTTPS, and where that fails, with pip if it is there.
 *
 * @throws EspalierError ERR_INSTALL, ERR_ABORTED
 */
export async function fetchWheels(folder: string, options: FetchOptions): Promise<readonly string[]> {
  const { variant, files, host, network, progress } = options
  const known = knownFiles(files, variant)
  const named = namedMirror(options.index, host.env)
  await mkdir(folder, { recursive: true })
  const failures: string[] = []
  const silent = new Map<string, string>()
  /** The path of each known file that is there, by its name. */
  const paths = new Map<string, string>()
  if (known.length > 0) {
    const fallback = pipMirror(host)
    for (const file of known) {
      const there = await fetchedBefore(folder, file, progress)
      const fetched = there ?? (await fetchDirectly(folder, { ...options, known: file, named, fallback, silent }))
      // Where one can't be had the next ones can't either: pip asks in its own ways.
      if ('failures' in fetched) failures.push(...fetched.failures)
      if ('failures' in fetched) break
      paths.set(file.name, fetched.path)
    }
    if (failures.length === 0) return [...paths.values()]
    progress.say('trying pip instead')
  } else {
    progress.say(`the files of the ${variant} build are not known; pip finds them`)
  }
  const { run } = options
  const result = await downloadWheels(wheelsOf(variant, new Set(paths.keys())), join(folder, 'pip'), {
    named,
    progress,
    run,
    signal: network.signal,
  })
  if ('paths' in result) return [...paths.values(), ...result.paths]
  if (result.hasPip) throw cannotFetch(variant, [...failures, ...result.failures])
  if (known.length === 0) throw noPip(variant, result.failures)
  progress.say('  pip is not there')
  throw cannotFetch(variant, failures)
}

/** The files of a variant for this machine; none where they are not known. */
export function knownFiles(files: readonly KnownFile[], variant: Variant): readonly KnownFile[] {
  const platform = `${process.platform}-${process.arch}`
  return files.filter((file) => file.variant === variant && file.platform === platform)
}

/** A file that an earlier, interrupted run has fetched, itself or with pip. */
async function fetchedBefore(
  folder: string,
  known: KnownFile,
  progress: Progress,
): Promise<{ path: string } | undefined> {
  const own = join(folder, known.name)
  for (const path of [own, join(folder, 'pip', known.name)]) {
    if (!existsSync(path) || (await sha256(path, progress)) !== known.sha256) continue
    progress.say(`using ${known.name}, fetched before`)
    // What is in pip's folder goes when pip is asked for others.
    if (path !== own) await rename(path, own)
    return { path: own }
  }
  return undefined
}

function noPip(variant: Variant, failures: readonly string[]): EspalierError {
  return new EspalierError('ERR_INSTALL', `pip is needed to fetch LibTorch's ${variant} build and can't be run`, {
    detail: failures.join('\n'),
    hint: 'sudo apt-get install -y python3 python3-pip; or point LIBTORCH at a LibTorch folder.',
  })
}
