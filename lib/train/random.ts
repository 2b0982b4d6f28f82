/** State of a {@link Random}: plain data. */
export type RandomState = readonly [number, number, number, number]

/**
 * A seeded generator (sfc32 by C. Doty-Humphrey, seeded through splitmix32): the same seed gives the same numbers on every
 * machine. Not for cryptography.
 */
export class Random {
  #a = 0
  #b = 0
  #c = 0
  #counter = 0

  /**
   * @param seed an integer, or the state of another generator to go on from
   * @param stream generators of one seed and different streams are independent
   */
  constructor(seed: number | RandomState, stream = 0) {
    if (typeof seed === 'number') {
      const mix = splitmix32((seed ^ Math.imul(stream, 0x85ebca6b)) | 0)
      this.#a = mix()
      this.#b = mix()
      this.#c = mix()
      this.#counter = 1
      for (let i = 0; i < 12; i++) this.next()
    } else {
      this.state = seed
    }
  }

  /** An integer in [0, 2^32). */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A number in [0, 1). */
  uniform(): number {
    return this.next() / 2 ** 32
  }

  /** An integer in [low, high], both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1))
  }

  /** Shuffles in place (Fisher-Yates) and returns the array. */
  shuffle<T extends Int32Array | unknown[]>(array: T): T {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(0, i)
      const kept = array[i]
      array[i] = array[j]
      array[j] = kept
    }
    return array
  }

  get state(): RandomState {
    return [this.#a, this.#b, this.#c, this.#counter]
  }

  set state(state: RandomState) {
    ;[this.#a, this.#b, this.#c, this.#counter] = state
  }
}

function splitmix32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = state ^ (state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return mixed ^ (mixed >>> 15)
  }
}
