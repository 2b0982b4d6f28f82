import type { Analysis } from '../../groups/index.js'
import { unitOffsets } from '../../groups/widths.js'
import { describePlan, type Plan, removedUnits } from '../../plan/plan.js'

/** Halves the groups of a failing plan as long as a half still fails. */
export async function smallestFailure(
  fails: (plan: Plan) => Promise<boolean>,
  analysis: Analysis,
  plan: Plan,
): Promise<number[]> {
  const offsets = unitOffsets(analysis)
  const whole = removedUnits(analysis, plan)
  const failing = (groups: readonly number[]): Promise<boolean> => {
    const removed = new Uint8Array(whole.length)
    for (const g of groups) {
      const first = offsets[g] as number
      const end = first + (analysis.groups[g]?.size ?? 0)
      removed.set(whole.subarray(first, end), first)
    }
    return fails(describePlan(analysis, removed))
  }
  let suspects = plan.removed.map(({ group }) => group)
  while (suspects.length > 1) {
    const half = suspects.length >> 1
    const [left, right] = [suspects.slice(0, half), suspects.slice(half)]
    if (await failing(left)) suspects = left
    else if (await failing(right)) suspects = right
    else break
  }
  return suspects
}
