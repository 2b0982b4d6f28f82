import { EspalierError } from '../../../../base/errors.js'

/** What of sharp is used; its own types would ask for sharp where only the types of this package are read. */
export interface Picture {
  metadata(): Promise<{ format?: string | undefined; width?: number | undefined; height?: number | undefined }>
  rotate(): Picture
  resize(options: {
    width: number
    height: number
    fit: 'cover' | 'fill' | 'outside'
    withoutEnlargement?: boolean
  }): Picture
  extract(region: Region): Picture
  flatten(options: { background: string }): Picture
  toColourspace(space: 'srgb' | 'b-w'): Picture
  raw(): Picture
  toBuffer(options: { resolveWithObject: true }): Promise<{
    data: Uint8Array
    info: { width: number; height: number; channels: number }
  }>
}

/** A part of a picture, in pixels. */
export interface Region {
  left: number
  top: number
  width: number
  height: number
}

/** The function that sharp is. */
export type Sharp = (
  input: string | Uint8Array,
  options?: { failOn?: 'error'; raw?: { width: number; height: number; channels: 1 | 3 } },
) => Picture

/**
 * sharp, which is installed only where pictures are read.
 *
 * @throws EspalierError ERR_READ where it is not installed, or doesn't load
 */
export async function loadSharp(load?: () => Promise<unknown>): Promise<Sharp> {
  try {
    // Inside of `try` it is optional for esbuild, too, which else refuses to make a bundle where it isn't installed.
    const found = load === undefined ? await import('sharp') : await load()
    return (found as { default: Sharp }).default
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause)
    throw new EspalierError('ERR_READ', 'pictures are decoded by the package sharp, which could not be loaded', {
      detail: words,
      hint: 'npm install sharp',
      cause,
    })
  }
}
