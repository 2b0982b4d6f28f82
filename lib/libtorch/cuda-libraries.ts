import { join } from 'node:path'
import { EspalierError } from '../base/errors.js'
import type { Host } from './host.js'

/** Of NVIDIA's libraries the two without which no CUDA build can be opened. A zip gives its own a tag: `libcudart-1a2b3c4d.so.13`. */
const NEEDED = {
  libcudart: /^libcudart(-\w+)?\.so\b/,
  libcublas: /^libcublas(-\w+)?\.so\b/,
} as const

/**
 * NVIDIA's libraries that the folder of a CUDA build lacks: they are beside LibTorch's own, as in an official zip, or from NVIDIA's wheels in
 * `nvidia/…/lib`. A torch wheel alone has none.
 */
export function missingCudaLibraries(host: Pick<Host, 'list'>, folder: string): string[] {
  const nvidia = join(folder, 'nvidia')
  const names = [
    ...host.list(join(folder, 'torch/lib')),
    ...host.list(nvidia).flatMap((name) => host.list(join(nvidia, name, 'lib'))),
  ]
  return Object.entries(NEEDED)
    .filter(([, pattern]) => !names.some((name) => pattern.test(name)))
    .map(([library]) => library)
}

/**
 * Requires them.
 *
 * @throws EspalierError ERR_INSTALL
 */
export function needCudaLibraries(host: Pick<Host, 'list'>, folder: string): void {
  const missing = missingCudaLibraries(host, folder)
  if (missing.length === 0) return
  throw new EspalierError('ERR_INSTALL', `What was unpacked has no ${missing.join(' and no ')}`, {
    hint: 'A torch wheel is without the libraries of NVIDIA: leave --from out, and all are fetched; an official zip has them.',
  })
}
