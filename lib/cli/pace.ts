import type { Work } from './command.js'
import { clock } from './terminal/clock.js'

/** How much of some work is done, shown as a bar with the rate and the time left. */
export interface Pace {
  /** What is counted: `examples`; nothing where only the part that is done is known. */
  readonly unit?: string
  readonly of: number
  /** When it began, as `performance.now()` has it; now by default. */
  readonly start?: number
  /** Nothing is shown of what takes less than so many ms; 0 by default. */
  readonly patience?: number
}

/**
 * Shows how far some work is, from now on.
 *
 * @returns what is to be called with how much is done
 */
export function paced(
  work: Pick<Work, 'status'>,
  doing: string,
  { unit, of, start = performance.now(), patience = 0 }: Pace,
): (done: number) => void {
  return (done) => {
    const spent = performance.now() - start
    if (spent < patience) return
    const rate = done / (spent / 1000)
    const amount = unit === undefined ? `${Math.round((100 * done) / of)} %` : `${done} of ${of} ${unit}`
    const pace = unit === undefined ? [] : [rateInWords(rate)]
    const parts = [amount, ...(rate > 0 ? [...pace, `${clock((of - done) / rate)} left`] : [])]
    work.status(`${doing}: ${parts.join(', ')}`, done / of)
  }
}

/** The part that is done, 0 to 1. */
export const pacedPart = (work: Pick<Work, 'status'>, doing: string): ((part: number) => void) =>
  paced(work, doing, { of: 1 })

/** `35.2 a second`, or `0:12 each` where it is less than one. */
const rateInWords = (rate: number): string =>
  rate < 1 ? `${clock(1 / rate)} each` : `${Number(rate.toPrecision(3))} a second`
