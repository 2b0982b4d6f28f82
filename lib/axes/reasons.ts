import type { FreezeReason } from './reason.js'

/** The first reasons are the telling ones; a residual stream can meet thousands. */
export const MOST_REASONS = 4

const NONE: readonly FreezeReason[] = []

/** Lists of reasons, by number: 0 is the empty one. Coordinates of an axis share theirs. */
export class Reasons {
  private readonly lists: (readonly FreezeReason[])[] = [NONE]
  /** What was put together last: an axis is fixed coordinate by coordinate. */
  private last = { why: 0, more: NONE, made: 0 }

  of(why: number): readonly FreezeReason[] {
    return this.lists[why] as readonly FreezeReason[]
  }

  /** The number of a list and others together. */
  with(why: number, more: readonly FreezeReason[]): number {
    if (this.last.why !== why || this.last.more !== more) {
      const known = this.of(why)
      const made = this.lists.push(known.length === 0 ? more : distinct([...known, ...more])) - 1
      this.last = { why, more, made }
    }
    return this.last.made
  }
}

/** Each once, the first of them. */
export function distinct(reasons: readonly FreezeReason[]): FreezeReason[] {
  if (reasons.length < 2) return [...reasons]
  const seen = new Map(reasons.map((r) => [`${r.kind}|${r.operator ?? ''}|${r.scope ?? ''}`, r]))
  return [...seen.values()].slice(0, MOST_REASONS)
}
