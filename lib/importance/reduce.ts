/** What the members of a group make of a unit together: each has a number for it, the sum over the unit's slices. */
export interface Reduction {
  /** Before the first member. */
  readonly from: number
  /** @param members how many there are; @param at which of them this one is, from 0 */
  add(sofar: number, next: number, members: number, at: number): number
}

/** How the members of a group make one score. */
export type ReductionName = 'mean' | 'sum' | 'max' | 'product' | 'first'

export const REDUCTIONS: Readonly<Record<ReductionName, Reduction>> = {
  mean: { from: 0, add: (sofar, next, members) => sofar + next / members },
  sum: { from: 0, add: (sofar, next) => sofar + next },
  max: { from: 0, add: (sofar, next) => Math.max(sofar, next) },
  product: { from: 1, add: (sofar, next) => sofar * next },
  /** In graph order: what makes the units. */
  first: { from: 0, add: (sofar, next, _, at) => (at === 0 ? next : sofar) },
}
