import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { EspalierError } from '../base/errors.js'
import type { Host } from './host.js'

/** The native files of this package on this machine. */
export interface NativeFiles {
  /** espalier.node */
  readonly loader: string
  /** Libraries by the LibTorch minor that they were built for. */
  readonly cores: ReadonlyMap<string, CoreFiles>
}

export interface CoreFiles {
  /** libespalier_core-<minor>.so: the bindings. */
  readonly core: string
  /** libespalier_ops-<minor>.so: the operators, registered with LibTorch's dispatcher when it is opened. */
  readonly ops: string
  /** libespalier_cuda-<minor>.so: the operators on CUDA, where they were built. */
  readonly cuda: string | undefined
}

/** Where this file is; undefined in a bundle that esbuild made for CommonJS, which has no `import.meta`. */
const HERE = import.meta.url as string | undefined

/** The folder with package.json: this file is three levels below it, as source and as product. */
export const PACKAGE_ROOT = HERE === undefined ? process.cwd() : fileURLToPath(new URL('../..', HERE))

interface NodeGypBuild {
  /** build/Release first, then prebuilds/<platform>-<arch>; throws when there is none. */
  resolve(root: string): string
}

/**
 * Finds espalier.node and the core libraries beside it.
 *
 * @throws EspalierError ERR_NO_PREBUILD
 */
export function findNative(host: Host, root: string = PACKAGE_ROOT): NativeFiles {
  if (isBundled(host, root)) throw bundled(root)
  const nodeGypBuild = createRequire(import.meta.url)('node-gyp-build') as NodeGypBuild
  let loader: string
  try {
    loader = nodeGypBuild.resolve(root)
  } catch (cause) {
    throw noPrebuild(host, root, `No native binary of Espalier for ${platformName()}`, cause)
  }
  const folder = dirname(loader)
  const cores = new Map<string, CoreFiles>()
  const names = host.list(folder)
  for (const name of names) {
    const minor = /^libespalier_core-(\d+\.\d+)\.so$/.exec(name)?.[1]
    const [ops, cuda] = [`libespalier_ops-${minor}.so`, `libespalier_cuda-${minor}.so`]
    if (minor === undefined || !names.includes(ops)) continue
    cores.set(minor, {
      core: join(folder, name),
      ops: join(folder, ops),
      cuda: names.includes(cuda) ? join(folder, cuda) : undefined,
    })
  }
  if (cores.size === 0)
    throw noPrebuild(host, root, `${folder} has espalier.node but no core library with its operators`, undefined)
  return { loader, cores }
}

/** A bundle lies somewhere else than this file, and the native binaries don't lie beside it. */
function isBundled(host: Host, root: string): boolean {
  return HERE === undefined || !/"name":\s*"espalier"/.test(host.read(join(root, 'package.json')) ?? '')
}

function bundled(root: string): EspalierError {
  return new EspalierError('ERR_NO_PREBUILD', 'Espalier was bundled, and its native binaries are not in a bundle', {
    detail: `this code does not lie in the package espalier: ${root} has no package.json of that name`,
    hint: 'Mark espalier as external (esbuild: --external:espalier; webpack: externals; Vite: ssr.external) and keep it installed where the bundle runs.',
  })
}

function noPrebuild(host: Host, root: string, message: string, cause: unknown): EspalierError {
  const there = host.list(join(root, 'prebuilds')).filter((name) => !name.includes('.'))
  return new EspalierError('ERR_NO_PREBUILD', message, {
    detail:
      there.length > 0 ? `prebuilt for: ${there.join(', ')}` : 'this copy of the package has no prebuilt binaries',
    hint: isMusl()
      ? 'This system uses musl; LibTorch exists for glibc only. Use a glibc distribution or image.'
      : 'From a clone: npm run setup builds it (Linux x64, g++ >= 12, cmake >= 3.20).',
    cause,
  })
}

export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? ' (musl)' : ''}`
}

/** Only asked when something failed: the report takes a while. */
export function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  const report = process.report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime === undefined
}
