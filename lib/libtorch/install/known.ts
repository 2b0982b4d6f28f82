import { LIBTORCH_VERSION } from '../version.js'
import { addressOf, CU130_VERSION, CU130_WHEELS } from './cu130.js'

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
  ...CU130_WHEELS.map((row): KnownFile => {
    const [name, , sha256, bytes] = row
    return { variant: 'cu130', platform: 'linux-x64', name, url: addressOf(row), sha256, bytes }
  }),
]

/** The LibTorch of each variant: CUDA is served with the newer one only, for which the package has the CUDA library. */
export const VERSIONS: Readonly<Record<Variant, string>> = { cpu: LIBTORCH_VERSION, cu130: CU130_VERSION }

/** The name of a wheel's project, as an index has it. */
export const projectOf = (file: string): string => file.split('-')[0]!.replaceAll('_', '-')

/** What pip is asked for. */
export interface Wheels {
  /** `project==version`, all that a variant consists of: nothing depends on more. */
  readonly requirements: readonly string[]
  /** The platforms and the ABIs of these files. */
  readonly platforms: readonly string[]
  readonly abis: readonly string[]
  /** The publisher's own index, tried before the user's pip configuration. */
  readonly index: string | undefined
}

const INDEX: Readonly<Record<Variant, string | undefined>> = {
  cpu: 'https://download.pytorch.org/whl/cpu',
  cu130: undefined,
}

/** The wheels of a variant, without those that are there already. */
export function wheelsOf(variant: Variant, there: ReadonlySet<string>): Wheels {
  const names = KNOWN_FILES.filter((file) => file.variant === variant && !there.has(file.name)).map(({ name }) => name)
  return {
    requirements: names.map((name) => `${projectOf(name)}==${name.split('-')[1]}`),
    platforms: [...new Set(names.flatMap((name) => name.replace(/^.*-(.*)\.whl$/, '$1').split('.')))],
    abis: [...new Set(names.map((name) => name.split('-').at(-2)!))],
    index: INDEX[variant],
  }
}

export const VARIANTS = Object.keys(VERSIONS) as Variant[]
