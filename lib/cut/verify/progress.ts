import type { OnProgress } from '../../base/progress.js'

/** What a cut and each comparison of its proof take, about, in passes of the model over its example. */
const COSTS = { cut: 2, own: 3, refilled: 3, doubled: 6, resized: 5 } as const

/** A part of the way from a plan to a proved cut. */
export type Leg = keyof typeof COSTS
const LEGS = Object.keys(COSTS) as Leg[]
const ALL = LEGS.reduce((sum, leg) => sum + COSTS[leg], 0)
/** Passes of one comparison: of the original, the masked and the cut model. */
const PASSES = 3

/** How far a proof is. A comparison may be made again with other weights: it never goes back. */
export class Progress {
  readonly #onProgress: OnProgress | undefined
  #leg = 0
  #passes = 0
  #told = 0

  constructor(onProgress: OnProgress | undefined) {
    this.#onProgress = onProgress
  }

  /** What comes now; all before it is done. */
  begin(leg: Leg): void {
    this.#leg = LEGS.indexOf(leg)
    this.#passes = 0
    this.#tell()
  }

  /** A model has run. */
  pass(): void {
    this.#passes++
    this.#tell()
  }

  end(): void {
    this.#leg = LEGS.length
    this.#tell()
  }

  #tell(): void {
    const leg = LEGS[this.#leg]
    const before = LEGS.slice(0, this.#leg).reduce((sum, each) => sum + COSTS[each], 0)
    const own = leg === undefined ? 0 : COSTS[leg] * Math.min(1, this.#passes / PASSES)
    const part = (before + own) / ALL
    if (part <= this.#told) return
    this.#told = part
    this.#onProgress?.(part)
  }
}
