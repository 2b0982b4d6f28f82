import { isAbsolute, join, resolve } from 'node:path'
import { EspalierError } from '../base/errors.js'
import { missingCudaLibraries } from './cuda-libraries.js'
import type { Host } from './host.js'
import { inspectLibtorch, type LibtorchFolder } from './inspect.js'
import { LIBTORCH_VERSION, minorOf } from './version.js'

/** Where a LibTorch was found. */
export type LibtorchSource = 'option' | 'LIBTORCH' | 'cache' | 'python' | 'system'

/** A LibTorch that can be used. */
export interface Libtorch extends LibtorchFolder {
  readonly source: LibtorchSource
}

/** One place that was looked at. `reason` says why it was taken or not. */
export interface Attempt {
  readonly source: LibtorchSource
  readonly place: string
  readonly taken: boolean
  readonly reason: string
}

export interface ResolveOptions {
  /** A LibTorch folder named by the caller; wins over all else. */
  readonly libtorch?: string | undefined
  /** The minors (`2.13`) that there is a core library for. */
  readonly minors: readonly string[]
}

export type Resolution =
  | { readonly libtorch: Libtorch; readonly attempts: readonly Attempt[] }
  | { readonly error: EspalierError; readonly attempts: readonly Attempt[] }

/** Written last by the installer: a folder of the cache without it is unfinished. */
export const STAMP = 'espalier-stamp.json'

export interface Stamp {
  readonly version: string
  readonly variant: string
  /** SHA-256 of what was unpacked, by file name. */
  readonly files: Readonly<Record<string, string>>
  /** Those of them whose sum was not known: installed with --trust. */
  readonly trusted?: readonly string[]
}

/** The files of an installed LibTorch that were taken on trust, by its folder; none for one that was not installed here. */
export function trustedFiles(host: Pick<Host, 'read'>, root: string): readonly string[] {
  const text = host.read(join(root, STAMP)) ?? host.read(join(root, '..', STAMP))
  try {
    return text === undefined ? [] : ((JSON.parse(text) as Stamp).trusted ?? [])
  } catch {
    return [`unknown, ${STAMP} is damaged`]
  }
}

export const CURES = [
  'npx espalier install-libtorch              fetches the CPU build of LibTorch into the cache',
  'npx espalier install-libtorch --from FILE  the same from a wheel or an official zip that you have',
  'export LIBTORCH=/path/to/libtorch          uses a LibTorch that is already there',
].join('\n')

/** Where `install-libtorch` puts LibTorch. */
export function libtorchCache(host: Pick<Host, 'env' | 'home'>): string {
  // A relative XDG_CACHE_HOME is to be ignored, says its specification.
  const given = host.env.XDG_CACHE_HOME
  return join(given && isAbsolute(given) ? given : join(host.home, '.cache'), 'espalier', 'libtorch')
}

// find_spec doesn't import torch. The working folder is taken off the path: a folder called torch there isn't PyTorch.
const FIND_TORCH = [
  'import sys',
  'sys.path = [p for p in sys.path if p]',
  'from importlib.util import find_spec',
  's = find_spec("torch")',
  'print(s.submodule_search_locations[0] if s and s.origin else "")',
].join('\n')

interface Place {
  readonly source: LibtorchSource
  readonly place: string
  /** The folder to inspect, or the reason why there is none. */
  readonly look: () => { folder: string; lib?: string } | string
}

/** Every place in the order in which they are tried. Lazy: Python is only asked when all before it failed. */
function* places(host: Host, libtorch: string | undefined): Generator<Place> {
  if (libtorch !== undefined) {
    yield { source: 'option', place: libtorch, look: () => ({ folder: resolve(libtorch) }) }
    return
  }
  const variable = host.env.LIBTORCH
  if (variable) {
    yield { source: 'LIBTORCH', place: variable, look: () => ({ folder: resolve(variable) }) }
    return
  }
  yield* cachePlaces(host)
  const environment = host.env.VIRTUAL_ENV
  const pythons = environment ? [join(environment, 'bin', 'python'), 'python3'] : ['python3']
  for (const python of pythons) yield { source: 'python', place: python, look: () => askPython(host, python) }
  for (const folder of ['/opt/libtorch', '/usr/local/libtorch', '/usr/local']) {
    yield { source: 'system', place: folder, look: () => ({ folder }) }
  }
  const debian = '/usr/lib/x86_64-linux-gnu'
  yield { source: 'system', place: debian, look: () => ({ folder: '/usr', lib: debian }) }
}

function* cachePlaces(host: Host): Generator<Place> {
  const cache = libtorchCache(host)
  const names = host.list(cache).filter((name) => /^\d+\.\d+\.\d+-(cpu|cu\d+)$/.test(name))
  if (names.length === 0) yield { source: 'cache', place: cache, look: () => 'nothing is installed there' }
  // Newest version first; of one version the CUDA build first: it serves both, and was asked for by name.
  names.sort((a, b) => compareVersions(b, a) || Number(b.includes('-cu')) - Number(a.includes('-cu')))
  for (const name of names) {
    const place = join(cache, name)
    yield {
      source: 'cache',
      place,
      look: () => {
        if (!host.exists(join(place, STAMP))) return 'not installed completely (no stamp)'
        const missing = name.includes('-cu') ? missingCudaLibraries(host, place) : []
        // As earlier versions left it of a torch wheel alone.
        if (missing.length > 0)
          return `has no ${missing.join(' and no ')}: install-libtorch --variant cu130 fetches them`
        // A CUDA build sits one folder deeper: its run path is $ORIGIN/../../nvidia/….
        return { folder: host.exists(join(place, 'torch')) ? join(place, 'torch') : place }
      },
    }
  }
}

function compareVersions(a: string, b: string): number {
  const parts = (text: string) => text.split('-')[0]!.split('.').map(Number)
  const [left, right] = [parts(a), parts(b)]
  for (let i = 0; i < left.length; i++) {
    const difference = left[i]! - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function askPython(host: Host, python: string): { folder: string } | string {
  const answer = host.exec(python, ['-c', FIND_TORCH])
  if (answer === undefined) return "can't be run"
  const folder = answer.trim()
  return folder === '' ? 'has no torch' : { folder }
}

/** The resolver as data: what was taken or the error, and every place that was looked at. Loads nothing. */
export function tryResolveLibtorch(host: Host, options: ResolveOptions): Resolution {
  const attempts: Attempt[] = []
  for (const { source, place, look } of places(host, options.libtorch)) {
    const looked = look()
    const found = typeof looked === 'string' ? looked : inspectLibtorch(host, looked.folder, looked.lib)
    const explicit = source === 'option' || source === 'LIBTORCH'
    const note = (taken: boolean, reason: string) => attempts.push({ source, place, taken, reason })

    if (typeof found === 'string') {
      note(false, found)
      if (explicit) return { attempts, error: invalid(source, place, found) }
      continue
    }
    const minor = minorOf(found.version)
    if (minor === undefined || !options.minors.includes(minor)) {
      const reason = `version ${found.version}; this build of Espalier needs ${wanted(options.minors)}`
      note(false, reason)
      if (explicit) return { attempts, error: wrongVersion(source, place, reason) }
      continue
    }
    note(true, `LibTorch ${found.version} (${found.variant})`)
    return { attempts, libtorch: { ...found, source } }
  }
  return { attempts, error: notFound(attempts) }
}

/**
 * Finds LibTorch without loading it. Order, the first valid one wins: the option, `LIBTORCH`, the package's cache,
 * Python's torch (`$VIRTUAL_ENV`, then python3), system folders. A source that was named and is invalid is an error; one
 * that wasn't is passed over with a reason.
 *
 * @throws EspalierError ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_INVALID, ERR_LIBTORCH_VERSION
 */
export function resolveLibtorch(host: Host, options: ResolveOptions): Libtorch {
  const resolution = tryResolveLibtorch(host, options)
  if ('error' in resolution) throw resolution.error
  return resolution.libtorch
}

export function formatAttempts(attempts: readonly Attempt[]): string {
  return attempts
    .map(({ source, place, taken, reason }) => `${taken ? '+' : '-'} ${source.padEnd(8)} ${place}: ${reason}`)
    .join('\n')
}

function wanted(minors: readonly string[]): string {
  return minors.length === 0 ? LIBTORCH_VERSION : minors.map((minor) => `${minor}.x`).join(' or ')
}

function named(source: LibtorchSource): string {
  return source === 'option' ? 'the option libtorch' : 'the variable LIBTORCH'
}

function invalid(source: LibtorchSource, place: string, reason: string): EspalierError {
  return new EspalierError('ERR_LIBTORCH_INVALID', `${place}, named by ${named(source)}, is no LibTorch: ${reason}`, {
    hint: CURES,
  })
}

function wrongVersion(source: LibtorchSource, place: string, reason: string): EspalierError {
  return new EspalierError('ERR_LIBTORCH_VERSION', `${place}, named by ${named(source)}, has ${reason}`, {
    hint: CURES,
  })
}

function notFound(attempts: readonly Attempt[]): EspalierError {
  return new EspalierError('ERR_LIBTORCH_NOT_FOUND', `No LibTorch ${LIBTORCH_VERSION} was found`, {
    detail: formatAttempts(attempts),
    hint: CURES,
  })
}
