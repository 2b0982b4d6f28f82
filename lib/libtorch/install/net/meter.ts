import { megabytes } from '../progress.js'

/** The rate is that of the last seconds: what was before a pause says little of what comes. */
const WINDOW = 10_000

/** How far a download is, how fast, and how long it will take. */
export class Meter {
  readonly #samples: { time: number; bytes: number }[] = []

  /** `bytes` are there now. */
  at(bytes: number, time = Date.now()): void {
    const last = this.#samples.at(-1)
    // Begun again: what came before does not count.
    if (last !== undefined && bytes < last.bytes) this.#samples.length = 0
    this.#samples.push({ time, bytes })
    while (this.#samples.length > 2 && time - this.#samples[1]!.time > WINDOW) this.#samples.shift()
  }

  /** The part of all that is there, 0 to 1; undefined where nobody knows how much there is. */
  part(total: number | undefined): number | undefined {
    const bytes = this.#samples.at(-1)?.bytes
    return bytes === undefined || !total ? undefined : bytes / total
  }

  text(total: number | undefined, time = Date.now()): string {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined) return 'fetching'
    const amount =
      total === undefined ? megabytes(last.bytes) : `${Math.round(last.bytes / 1e6)} of ${megabytes(total)}`
    const rate = (1000 * (last.bytes - first.bytes)) / Math.max(1, time - first.time)
    if (rate < 1) return `fetching: ${amount}`
    const speed = `${(rate / 1e6).toFixed(1)} MB/s`
    const left = total === undefined ? '' : `, ${duration((total - last.bytes) / rate)} left`
    return `fetching: ${amount}, ${speed}${left}`
  }
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`
}
