/** The LibTorch that this version of the package is made for. `install-libtorch` fetches exactly this one. */
export const LIBTORCH_VERSION = '2.13.0'

/** The LibTorch minors that the package has binaries for. */
export const LIBTORCH_MINORS = ['2.13', '2.14'] as const

/** What the prebuilt binaries ask of the system, newest symbol versions of its C and C++ libraries; README's table says the same. */
export const SYSTEM_FLOOR = { GLIBC: '2.34', GLIBCXX: '3.4.21', CXXABI: '1.3.9' } as const

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
