import { basename, dirname, join } from 'node:path'
import type { Host } from './host.js'
import { versionFromHeader, versionFromPython } from './version.js'

/** A LibTorch on disk that has all the libraries that the core library needs. */
export interface LibtorchFolder {
  /** The folder that holds lib, include and share. */
  readonly root: string
  /** The folder that holds libtorch.so. */
  readonly lib: string
  /** Full version, such as `2.13.0+cpu`. */
  readonly version: string
  /** `cpu`, `cu130`, …; `cuda` where the version doesn't say which. */
  readonly variant: string
}

export const REQUIRED_LIBRARIES = ['libtorch.so', 'libtorch_cpu.so', 'libc10.so'] as const

/** Looks at a folder (root or its lib) without loading anything; a string is the reason why it is no LibTorch. */
export function inspectLibtorch(host: Host, folder: string, libFolder?: string): LibtorchFolder | string {
  if (!host.exists(folder)) return 'no such folder'
  const isLib = libFolder === undefined && basename(folder) === 'lib' && host.exists(join(folder, 'libtorch.so'))
  const root = isLib ? dirname(folder) : folder
  const lib = libFolder ?? join(root, 'lib')

  const missing = REQUIRED_LIBRARIES.filter((name) => !host.exists(join(lib, name)))
  if (missing.length > 0) return `no ${missing.join(', ')} in ${lib}`

  const version = readVersion(host, root)
  if (version === undefined) return 'no version.py, build-version or include/torch/version.h that states a version'
  return { root, lib, version, variant: variantOf(host, lib, version) }
}

function readVersion(host: Host, root: string): string | undefined {
  const python = host.read(join(root, 'version.py'))
  const build = host.read(join(root, 'build-version'))
  const header = host.read(join(root, 'include/torch/version.h'))
  return (
    (python === undefined ? undefined : versionFromPython(python)) ??
    (build?.trim() || undefined) ??
    (header === undefined ? undefined : versionFromHeader(header))
  )
}

function variantOf(host: Host, lib: string, version: string): string {
  // The library decides, not the name: a version without a label may be either.
  if (!host.exists(join(lib, 'libtorch_cuda.so'))) return 'cpu'
  return /\+(cu\d+)/.exec(version)?.[1] ?? 'cuda'
}
