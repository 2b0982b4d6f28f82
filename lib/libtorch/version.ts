/** The LibTorch that this version of the package is made for. `install-libtorch` fetches exactly this one. */
export const LIBTORCH_VERSION = '2.13.0'

/** The oldest glibc that the prebuilt binaries run on; what they are built on decides. */
export const GLIBC_FLOOR = '2.34'

/** `2.13.0+cpu` -> `2.13`; undefined for what isn't a version. LibTorch promises no C++ ABI across minors. */
export function minorOf(version: string): string | undefined {
  return /^(\d+\.\d+)\.\d+/.exec(version)?.[1]
}

/** The version in the text of `torch/version.py`. */
export function versionFromPython(text: string): string | undefined {
  return /^__version__\s*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1]
}

/** The version in the text of `include/torch/version.h`. */
export function versionFromHeader(text: string): string | undefined {
  return /#define\s+TORCH_VERSION\s+"([^"]+)"/.exec(text)?.[1]
}
