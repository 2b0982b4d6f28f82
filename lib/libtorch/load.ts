import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { EspalierError } from '../base/errors.js'
import { maybe, object, path as pathSchema, signature } from '../base/schema/index.js'
import type { NativeBinding } from './binding.js'
import { realHost } from './host.js'
import { findNative } from './native.js'
import { offerLibtorch } from './offer.js'
import { type Attempt, type Libtorch, tryResolveLibtorch } from './resolve.js'
import { minorOf } from './version.js'

/** What native/loader exports. */
interface Loader {
  /** dlopen with RTLD_NOW | RTLD_LOCAL; throws with the system's words. */
  open(path: string): void
  /** Runs `open` with an environment variable that isn't set otherwise; the variable is gone afterwards. */
  openWith(path: string, name: string, value: string): void
}

/** Options of {@link loadLibtorch}. */
export interface LoadOptions {
  /** A LibTorch folder (root or its lib); the default is the resolver's order. */
  libtorch?: string | undefined
}

/** What was loaded in this JavaScript environment, and how it was found. */
export interface Runtime {
  readonly binding: NativeBinding
  readonly libtorch: Libtorch
  readonly attempts: readonly Attempt[]
  readonly loader: string
  readonly core: string
}

// A native module can't be unloaded, so what is loaded belongs to the environment (main thread or one worker).
let runtime: Runtime | undefined

/**
 * Loads LibTorch and the native binding, once for each JavaScript environment; later calls return the same.
 *
 * @throws EspalierError ERR_NO_PREBUILD, ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_INVALID, ERR_LIBTORCH_VERSION,
 * ERR_LIBTORCH_LOAD; ERR_INVALID_ARGUMENT when another LibTorch than the one named is loaded already
 */
export function loadRuntime(options: LoadOptions = {}): Runtime {
  if (runtime === undefined) runtime = load(options)
  else if (options.libtorch !== undefined) mustBeSame(options.libtorch, runtime.libtorch)
  return runtime
}

/** @internal */
export const LOAD_LIBTORCH = signature('loadLibtorch', [
  'options',
  object<LoadOptions>({ libtorch: maybe(pathSchema) }),
])

/**
 * Loads LibTorch now, from a folder that you name or in the usual order, and says which one it is. Without this call the
 * first tensor or model does it. Where there is none, a person at a terminal is asked whether it may be fetched.
 *
 * @throws EspalierError ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_INVALID, ERR_LIBTORCH_VERSION, ERR_LIBTORCH_LOAD, ERR_NO_PREBUILD;
 *   ERR_INVALID_ARGUMENT when another LibTorch than the one named is loaded already
 * @example
 * ```ts
 * import { loadLibtorch } from 'espalier'
 *
 * const { root, version, source } = loadLibtorch()
 * console.log([root, version, source].every((text) => text.length > 0)) // true
 * ```
 */
export function loadLibtorch(options: LoadOptions = {}): Libtorch {
  LOAD_LIBTORCH.check(options)
  return loadRuntime(options).libtorch
}

/** The native binding; loads it on the first call. Only lib/torch uses it. */
export function binding(): NativeBinding {
  return loadRuntime().binding
}

function load(options: LoadOptions): Runtime {
  const host = realHost()
  const native = findNative(host)
  const look = () => tryResolveLibtorch(host, { libtorch: options.libtorch, minors: [...native.cores.keys()] })
  let resolution = look()
  if ('error' in resolution && resolution.error.code === 'ERR_LIBTORCH_NOT_FOUND' && offerLibtorch())
    resolution = look()
  if ('error' in resolution) throw resolution.error
  const { libtorch, attempts } = resolution
  const minor = minorOf(libtorch.version)!
  const { core, ops, cuda } = native.cores.get(minor)!

  const loader = opened(native.loader, () => createRequire(import.meta.url)(native.loader) as Loader)
  // libgomp reads this once, when it is loaded. Its default, spinning, stalls a training step several-fold as soon as two
  // threads share a busy core; a value that the user has set stays.
  const library = join(libtorch.lib, 'libtorch.so')
  opened(library, () => loader.openWith(library, 'OMP_WAIT_POLICY', 'PASSIVE'))
  opened(ops, () => loader.open(ops))
  // Before anybody asks LibTorch whether there is CUDA: it remembers its answer.
  if (cuda !== undefined && libtorch.variant !== 'cpu') opened(cuda, () => loader.open(cuda))
  const module = { exports: {} as NativeBinding }
  opened(core, () => process.dlopen(module, core))

  const running = module.exports.torchVersion()
  // Another addon may have brought its own LibTorch into the process; then the core is bound to that one.
  if (minorOf(running) !== minor) {
    throw new EspalierError(
      'ERR_LIBTORCH_VERSION',
      `LibTorch ${libtorch.version} was opened but ${running} answers: another LibTorch is loaded in this process`,
    )
  }
  module.exports.init({ EspalierError })
  return { binding: module.exports, libtorch, attempts, loader: native.loader, core }
}

function opened<T>(path: string, open: () => T): T {
  try {
    return open()
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('ERR_LIBTORCH_LOAD', `The system can't load ${path}`, {
      detail: words,
      hint: /GLIBC(XX)?_/.test(words)
        ? 'This system is older than the binary: see the platform table in docs/reference/install.md, or build from a clone.'
        : 'npx espalier doctor shows what was found and tried.',
      cause,
    })
  }
}

function mustBeSame(wanted: string, loaded: Libtorch): void {
  const folder = resolve(wanted)
  if (folder === resolve(loaded.root) || folder === resolve(loaded.lib)) return
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    `libtorch: ${wanted} can't be used, ${loaded.root} is loaded already in this process`,
  )
}
