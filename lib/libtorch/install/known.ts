import { LIBTORCH_VERSION } from '../version.js'

export type Variant = 'cpu' | 'cu130'

/** A published file, and what makes it that file wherever it is fetched from. */
export interface KnownFile {
  readonly variant: Variant
  /** `process.platform` and `process.arch`. */
  readonly platform: string
  readonly name: string
  /** Where its publisher has it. */
  readonly url: string
  readonly sha256: string
  readonly bytes: number
}

/** Only these files are installed unasked; one of these names with another sum is damaged. */
export const KNOWN_FILES: readonly KnownFile[] = [
  {
    variant: 'cpu',
    platform: 'linux-x64',
    name: 'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl',
    url: 'https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl',
    sha256: '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b',
    bytes: 191_794_682,
  },
]

/** A build of LibTorch as Python's indexes have it. */
export interface Wheel {
  /** What pip is asked for. */
  readonly requirement: string
  /** Upstream's index of this variant, tried before the user's own pip configuration. */
  readonly index: string
  /** A CUDA build needs the nvidia-* wheels, which pip finds; the CPU build needs nothing. */
  readonly dependencies: boolean
}

export const WHEELS: Readonly<Record<Variant, Wheel>> = {
  cpu: {
    requirement: `torch==${LIBTORCH_VERSION}+cpu`,
    index: 'https://download.pytorch.org/whl/cpu',
    dependencies: false,
  },
  cu130: {
    requirement: `torch==${LIBTORCH_VERSION}+cu130`,
    index: 'https://download.pytorch.org/whl/cu130',
    dependencies: true,
  },
}

export const VARIANTS = Object.keys(WHEELS) as Variant[]
