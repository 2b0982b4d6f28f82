// What a LibTorch folder says of itself to those who compile against it.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const VERSION_HEADER = 'include/torch/headeronly/version.h'

/** A LibTorch without headers runs, but can't be compiled against. @param {string} libtorch */
export const hasHeaders = (libtorch) => existsSync(join(libtorch, VERSION_HEADER))

/** @param {string} libtorch @returns {string} such as `2.13` */
export function minorOfHeaders(libtorch) {
  if (!hasHeaders(libtorch)) throw new Error(`${libtorch} has no ${VERSION_HEADER}: it can't be compiled against`)
  const header = readFileSync(join(libtorch, VERSION_HEADER), 'utf8')
  const [major, minor] = ['MAJOR', 'MINOR'].map((part) => header.match(`#define TORCH_VERSION_${part} (\\d+)`)?.[1])
  return `${major}.${minor}`
}

/** Only CUDA builds of the newest minor are served: see the README. */
export const CUDA_MINOR = '2.14'

/** @param {string} libtorch */
export const isCudaLibtorch = (libtorch) => existsSync(join(libtorch, 'lib/libtorch_cuda.so'))

export const hasNvcc = () => spawnSync('nvcc', ['--version'], { stdio: 'ignore' }).status === 0
