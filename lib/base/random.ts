import { EspalierError } from './errors.js'
import { either, number, type Schema, shown, signature, thing } from './schema/index.js'

/** State of a {@link Random}: plain data. */
export type RandomState = readonly [number, number, number, number]

const WHOLE = number({ integer: true })

/** @internal */
export const RANDOM_STATE: Schema<RandomState> = thing(
  'the state of a Random: four integers',
  (value) => Array.isArray(value) && value.length === 4 && value.every(Number.isInteger),
)
const SHUFFLE = signature('Random.shuffle', [
  'array',
  thing<Int32Array | unknown[]>(
    'an array or an Int32Array',
    (value) => Array.isArray(value) || value instanceof Int32Array,
  ),
])
const STATE = signature('Random.state', ['state', RANDOM_STATE])
/** @internal */
export const RANDOM_NEW = signature(
  'new Random',
  ['seed', either('an integer, or the state of a Random', WHOLE, RANDOM_STATE)],
  ['stream', WHOLE],
)

let mustBeRandom: (value: unknown) => void

/**
 * A seeded generator (sfc32 by C. Doty-Humphrey, seeded through splitmix32): the same seed gives the same numbers on every
 * machine. Not for cryptography.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for a seed, a state or bounds that are none
 * @example
 * ```ts
 * import { Random } from 'espalier'
 *
 * const random = new Random(1)
 * console.log(random.integer(0, 9), random.shuffle([1, 2, 3, 4])) // 5 [ 1, 2, 4, 3 ]
 * const again = new Random(random.state)
 * console.log(again.uniform() === random.uniform()) // true
 * ```
 */
export class Random {
  #a = 0
  #b = 0
  #c = 0
  #counter = 0

  static {
    mustBeRandom = (value) => {
      if (typeof value === 'object' && value !== null && #a in value) return
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Random was expected, not ${shown(value)}`)
    }
  }

  /**
   * @param seed an integer, or the state of another generator to go on from
   * @param stream generators of one seed and different streams are independent
   */
  constructor(seed: number | RandomState, stream = 0) {
    RANDOM_NEW.check(seed, stream)
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
    mustBeRandom(this)
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** A number in [0, 1). */
  uniform(): number {
    mustBeRandom(this)
    return this.next() / 2 ** 32
  }

  /** An integer in [low, high], both included. */
  integer(low: number, high: number): number {
    mustBeRandom(this)
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low > high) {
      const message = `Random.integer takes two integers, the lower first, not ${shown(low)} and ${shown(high)}`
      throw new EspalierError('ERR_INVALID_ARGUMENT', message)
    }
    return low + Math.floor(this.uniform() * (high - low + 1))
  }

  /** Shuffles in place (Fisher-Yates) and returns the array. */
  shuffle<T extends Int32Array | unknown[]>(array: T): T {
    mustBeRandom(this)
    SHUFFLE.check(array)
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(0, i)
      const kept = array[i]
      array[i] = array[j]
      array[j] = kept
    }
    return array
  }

  /** Where it is: a generator that is given it goes on alike. */
  get state(): RandomState {
    mustBeRandom(this)
    return [this.#a, this.#b, this.#c, this.#counter]
  }

  /** Goes on from there. */
  set state(state: RandomState) {
    mustBeRandom(this)
    STATE.check(state)
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

/** @internal */
export const RANDOM = thing<Random>('a Random', (value) => value instanceof Random)
