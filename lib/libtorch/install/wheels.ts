import { LIBTORCH_VERSION } from '../version.js'

export type Variant = 'cpu' | 'cu130'

export interface Wheel {
  /** What pip is asked for. */
  readonly requirement: string
  /** Upstream's index of this variant, tried before the user's own pip configuration. */
  readonly index: string
  /** A CUDA build needs the nvidia-* wheels; the CPU build needs nothing. */
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

/** Only files with one of these sums are installed unasked; one of these names with another sum is damaged. */
export const KNOWN_SHA256: Readonly<Record<string, string>> = {
  'torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl':
    '6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b',
}

/**
 * The arguments of `python3 -m pip` for one try. Platform, Python and ABI are fixed, so that everyone gets the same file,
 * whatever Python runs pip.
 */
export function pipArguments(wheel: Wheel, folder: string, source: 'upstream' | 'configured'): string[] {
  const platforms = ['manylinux_2_28_x86_64']
  if (wheel.dependencies) platforms.push('manylinux_2_27_x86_64', 'manylinux_2_17_x86_64', 'manylinux2014_x86_64')
  return [
    '-m',
    'pip',
    'download',
    wheel.requirement,
    ...(wheel.dependencies ? [] : ['--no-deps']),
    '--only-binary=:all:',
    ...platforms.flatMap((platform) => ['--platform', platform]),
    '--python-version=3.11',
    '--implementation=cp',
    '--abi=cp311',
    '--disable-pip-version-check',
    '--progress-bar=off',
    '--dest',
    folder,
    // One short try: a network that doesn't reach upstream must not hold up the configured one.
    ...(source === 'upstream' ? ['--index-url', wheel.index, '--retries=0', '--timeout=15'] : []),
  ]
}
