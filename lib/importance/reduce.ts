/** What the members of a group make of a unit together: each has a number for it, the sum over the unit's slices. */
export interface Reduction {
  /** Before the first member. */
  readonly from: number
  /** @param members how many there are */
  add(sofar: number, next: number, members: number): number
}

export const mean: Reduction = { from: 0, add: (sofar, next, members) => sofar + next / members }
