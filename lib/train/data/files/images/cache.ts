import type { Pixels } from './decode.js'

/**
 * Decoded pictures in memory, the first ones until it is full. Nothing makes room for others: each pass asks for every picture once, so
 * that those used last are the ones needed last.
 */
export class PixelCache {
  readonly #held = new Map<number, Pixels>()
  #free: number

  /** @param bytes that it may hold */
  constructor(bytes: number) {
    this.#free = bytes
  }

  async get(index: number, decode: () => Promise<Pixels>): Promise<Pixels> {
    const held = this.#held.get(index)
    if (held !== undefined) return held
    const pixels = await decode()
    const { length } = pixels.data
    if (length <= this.#free && !this.#held.has(index)) {
      this.#free -= length
      this.#held.set(index, pixels)
    }
    return pixels
  }
}
