import type { Pixels } from './decode.js'

/**
 * Pictures share buffers of this size. What sharp gives lies between what decoding takes and frees: kept as it is, it would keep several
 * times its size from the system.
 */
const SLAB = 2 ** 24

/**
 * Decoded pictures in memory, the first ones until it is full. Nothing makes room for others: each pass asks for every picture once, so
 * that those used last are the ones needed last.
 */
export class PixelCache {
  readonly #held = new Map<number, Pixels>()
  /** Bytes that buffers may yet be made of. */
  #free: number
  #slab = new Uint8Array(0)
  #used = 0

  /** @param bytes that it may hold */
  constructor(bytes: number) {
    this.#free = bytes
  }

  async get(index: number, decode: () => Promise<Pixels>): Promise<Pixels> {
    const held = this.#held.get(index)
    if (held !== undefined) return held
    const pixels = await decode()
    const place = this.#held.has(index) ? undefined : this.#placeOf(pixels.data.length)
    if (place === undefined) return pixels
    place.set(pixels.data)
    const kept = { ...pixels, data: place }
    this.#held.set(index, kept)
    return kept
  }

  #placeOf(length: number): Uint8Array | undefined {
    if (this.#used + length > this.#slab.length) {
      if (length > this.#free) return undefined
      const size = Math.max(length, Math.min(SLAB, this.#free))
      this.#free -= size
      this.#slab = new Uint8Array(size)
      this.#used = 0
    }
    this.#used += length
    return this.#slab.subarray(this.#used - length, this.#used)
  }
}
