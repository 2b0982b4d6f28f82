/**
 * Coordinates that need two others, by these two: open addressing in typed arrays, since a large model has millions. Each
 * keeps the parts that it was made of.
 */
export class Pairs {
  /** By coordinate, its parts in order; 0 and 0 for one that is no pair. */
  low: Int32Array
  high: Int32Array
  /** Coordinates; 0 is an empty place. */
  private table: Int32Array
  private count = 0

  /** @param room coordinates for which there is room at first, a power of 2 */
  constructor(room: number) {
    this.low = new Int32Array(room)
    this.high = new Int32Array(room)
    this.table = new Int32Array(room)
  }

  /** Makes room for this many coordinates. */
  reserve(size: number): void {
    const grown = (old: Int32Array) => {
      const made = new Int32Array(size)
      made.set(old)
      return made
    }
    this.low = grown(this.low)
    this.high = grown(this.high)
  }

  /** The pair made of these parts; 0 when there is none. */
  find(low: number, high: number): number {
    return this.table[this.placeOf(low, high)] as number
  }

  add(pair: number, low: number, high: number): void {
    this.low[pair] = low
    this.high[pair] = high
    this.table[this.placeOf(low, high)] = pair
    if (++this.count * 2 > this.table.length) this.grow()
  }

  /** Where the pair is, or would be. */
  private placeOf(low: number, high: number): number {
    const { table } = this
    const mask = table.length - 1
    let at = (Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)) >>> 0
    at = (at ^ (at >>> 15)) & mask
    for (let c = table[at] as number; c !== 0; c = table[at] as number) {
      if (this.low[c] === low && this.high[c] === high) return at
      at = (at + 1) & mask
    }
    return at
  }

  private grow(): void {
    const old = this.table
    this.table = new Int32Array(old.length * 4)
    for (const c of old) if (c !== 0) this.table[this.placeOf(this.low[c] as number, this.high[c] as number)] = c
  }
}
