import { existsSync, statSync } from 'node:fs'
import { mkdir, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { abortIf } from '../../base/abort.js'
import { EspalierError } from '../../base/errors.js'
import { missingCudaLibraries, needCudaLibraries } from '../cuda-libraries.js'
import { type Host, realHost } from '../host.js'
import { inspectLibtorch } from '../inspect.js'
import { libtorchCache, STAMP, type Stamp } from '../resolve.js'
import { minorOf } from '../version.js'
import { fetchAddress, isAddress } from './address.js'
import { sha256 } from './checksum.js'
import { fetchWheels, knownFiles } from './fetch.js'
import { KNOWN_FILES, type KnownFile, type Variant, VERSIONS } from './known.js'
import { withLock } from './lock.js'
import { type Network, USUAL } from './net/network.js'
import { type Run, runCommand } from './pip.js'
import { megabytes, type Progress } from './progress.js'
import { listEntries, selectLibtorch, selectNvidia, unpack } from './unpack.js'

export { VARIANTS, type Variant, VERSIONS } from './known.js'
export type { Progress } from './progress.js'

/** What there is to fetch for a variant, for people. */
export function sizeOf(variant: Variant): string {
  return megabytes(knownFiles(KNOWN_FILES, variant).reduce((sum, { bytes }) => sum + bytes, 0))
}

export interface InstallOptions {
  readonly variant: Variant
  /** A wheel or an official zip, on disk or by its http(s) address. */
  readonly from?: string | undefined
  /** The root of a simple index that is asked instead of the publisher; ESPALIER_INDEX unless given. */
  readonly index?: string | undefined
  /** Also installs files whose SHA-256 is not known; the stamp names them. Default false. */
  readonly trust?: boolean | undefined
  readonly progress: Progress
  /** Ends the work, with ERR_ABORTED; what was fetched is kept for the next time. None by default. */
  readonly signal?: AbortSignal | undefined
  /** Replaced in tests. */
  readonly host?: Host
  /** Replaced in tests. */
  readonly run?: Run
  /** Replaced in tests. */
  readonly files?: readonly KnownFile[]
  /** Replaced in tests. */
  readonly network?: Partial<Network>
  /** How long to wait for another process that installs, ms; half an hour unless given. */
  readonly patience?: number
}

/**
 * Puts LibTorch into the package's cache and returns its folder. One process at a time; what is there already is kept; a
 * folder appears under its name only when it is whole.
 *
 * @throws EspalierError ERR_INSTALL, ERR_LOCKED, ERR_ABORTED
 */
export async function installLibtorch(options: InstallOptions): Promise<string> {
  const { variant, progress, signal } = options
  const host = options.host ?? realHost()
  const cache = libtorchCache(host)
  const version = VERSIONS[variant]
  const target = join(cache, `${version}-${variant}`)
  const isWhole = () => variant === 'cpu' || missingCudaLibraries(host, target).length === 0
  const isDone = () => existsSync(join(target, STAMP)) && options.from === undefined && isWhole()

  if (isDone()) {
    progress.say(`LibTorch ${version} (${variant}) is installed already: ${target}`)
    return target
  }
  const patience = options.patience ?? 1_800_000
  return await asInstallError(() => withLock(`${target}.lock`, { progress, patience, signal }, () => install()))

  async function install(): Promise<string> {
    if (isDone()) return target
    refuseUnknownVariant(options)
    const part = `${target}.part`
    await rm(part, { recursive: true, force: true })
    await mkdir(part, { recursive: true })
    try {
      await needSpace(cache, variant)
      const wheels = await theWheels(options, `${target}.download`, host)
      await assemble(wheels, part, options, host)
      await replace(part, target)
      await rm(`${target}.download`, { recursive: true, force: true })
    } finally {
      await rm(part, { recursive: true, force: true })
    }
    progress.say(`LibTorch ${version} (${variant}) is in ${target}`)
    return target
  }
}

/** What the file system says (no such folder, not a folder, no space) gets a code. */
async function asInstallError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof EspalierError) throw cause
    const words = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('ERR_INSTALL', `LibTorch can't be installed: ${words}`, { cause })
  }
}

/** The files to unpack: that of `from`, or those of the variant, fetched into `folder`. */
async function theWheels(options: InstallOptions, folder: string, host: Host): Promise<readonly string[]> {
  const { variant, from, index, progress, signal } = options
  if (from !== undefined && !isAddress(from)) return [resolve(from)]
  const network = { ...USUAL, env: host.env, signal, ...options.network }
  const common = { files: filesOf(options), trust: options.trust === true, network, progress }
  await mkdir(folder, { recursive: true })
  if (from !== undefined) return [await fetchAddress(from, folder, common)]
  return await fetchWheels(folder, { ...common, variant, index, host, run: options.run ?? runCommand })
}

const filesOf = ({ files }: InstallOptions) => files ?? KNOWN_FILES

async function assemble(wheels: readonly string[], part: string, options: InstallOptions, host: Host): Promise<void> {
  const { variant, progress } = options
  // LibTorch's CUDA build looks for its libraries in $ORIGIN/../../nvidia, so it goes one folder deeper.
  const root = variant === 'cpu' ? part : join(part, 'torch')
  const files: Record<string, string> = {}
  const trusted: string[] = []
  for (const wheel of wheels) {
    abortIf(options.signal)
    const { sum, known } = await checkSum(wheel, options)
    files[basename(wheel)] = sum
    if (!known) trusted.push(basename(wheel))
    const isTorch = (await listEntries(wheel)).some((name) => selectLibtorch(name) !== undefined)
    if (isTorch || options.from !== undefined) {
      await refuseOtherVariant(wheel, variant)
      progress.say(`unpacking ${basename(wheel)}`)
      await unpack(wheel, root, selectLibtorch, progress, options.signal)
    } else {
      await unpack(wheel, part, selectNvidia, progress, options.signal)
    }
  }
  const found = inspectLibtorch(host, root)
  if (typeof found === 'string') throw new EspalierError('ERR_INSTALL', `What was unpacked is no LibTorch: ${found}`)
  if (minorOf(found.version) !== minorOf(VERSIONS[variant])) {
    throw new EspalierError('ERR_INSTALL', `That is LibTorch ${found.version}; ${variant} is ${VERSIONS[variant]}`)
  }
  if (variant !== 'cpu') needCudaLibraries(host, part)
  const stamp: Stamp = { version: found.version, variant, files, trusted }
  await writeFile(join(part, STAMP), `${JSON.stringify(stamp, null, 2)}\n`)
}

/** A file with a sum that isn't known can run any code as soon as it is loaded. */
async function checkSum(wheel: string, options: InstallOptions): Promise<{ sum: string; known: boolean }> {
  const { trust, progress } = options
  if (!existsSync(wheel)) throw new EspalierError('ERR_INSTALL', `${wheel} does not exist`)
  if (!statSync(wheel).isFile()) throw new EspalierError('ERR_INSTALL', `${wheel} is no regular file`)
  const sum = await sha256(wheel, progress)
  const expected = filesOf(options).find(({ name }) => name === basename(wheel))?.sha256
  if (expected !== undefined && expected !== sum) {
    throw new EspalierError('ERR_INSTALL', `${wheel} is damaged or not what its name says`, {
      detail: `sha256 ${sum}, expected ${expected}`,
      hint: 'Fetch it again.',
    })
  }
  const known = filesOf(options).some((file) => file.sha256 === sum)
  if (!known && trust !== true) {
    throw new EspalierError('ERR_INSTALL', `the checksum of ${basename(wheel)} is not a known one`, {
      detail: `sha256 ${sum}`,
      hint: 'If you know where the file comes from, install it with --trust; doctor will name it.',
    })
  }
  if (!known) progress.say(`trusting ${basename(wheel)}, sha256 ${sum}`)
  return { sum, known }
}

/** Told before gigabytes are fetched. */
function refuseUnknownVariant(options: InstallOptions): void {
  const { variant, from, trust } = options
  if (knownFiles(filesOf(options), variant).length > 0 || trust === true || from !== undefined) return
  throw new EspalierError(
    'ERR_INSTALL',
    `no checksums are known for the ${variant} build on ${process.platform}-${process.arch}`,
    {
      hint: `npx espalier install-libtorch --variant ${variant} --trust installs what pip fetches, unchecked.`,
    },
  )
}

/** The names of CPU and CUDA wheels can be the same; their content isn't. */
async function refuseOtherVariant(wheel: string, variant: Variant): Promise<void> {
  const isCuda = (await listEntries(wheel)).some((name) => name.endsWith('/libtorch_cuda.so'))
  if (isCuda === (variant !== 'cpu')) return
  throw new EspalierError('ERR_INSTALL', `${wheel} is a ${isCuda ? 'CUDA' : 'CPU'} build, not ${variant}`, {
    hint: `npx espalier install-libtorch --variant ${isCuda ? 'cu130' : 'cpu'} installs that kind.`,
  })
}

async function needSpace(cache: string, variant: Variant): Promise<void> {
  const needed = variant === 'cpu' ? 1.2e9 : 14e9
  const { bavail, bsize } = await statfs(cache)
  const free = bavail * bsize
  if (free >= needed) return
  throw new EspalierError('ERR_INSTALL', `${cache} has ${megabytes(free)} free, ${megabytes(needed)} are needed`, {
    hint: 'XDG_CACHE_HOME moves the cache.',
  })
}

/** Puts a finished folder in place. A folder can't be renamed over another, so the old one is moved away first. */
async function replace(part: string, target: string): Promise<void> {
  const old = `${target}.old`
  await rm(old, { recursive: true, force: true })
  if (existsSync(target)) await rename(target, old)
  await rename(part, target)
  await rm(old, { recursive: true, force: true })
}
