import type { Plan } from '../cut/index.js'
import type { RegularizerEvent } from '../regularize/index.js'
import type { InterfaceReport } from '../torch/index.js'
import type { Evaluation } from '../train/index.js'
import { dropBetween, type ObjectiveOptions } from '../train/objective.js'

/** A cut that did not happen. */
export interface Withheld {
  /** What would have been removed. */
  plan: Plan
  /** What would have been lost, as `maxDrop` counts it. */
  drop: number
  maxDrop: number
}

/** Units of a group that were to go and had not given way: larger than 1 % of the group's kept mean. */
export interface Held {
  group: number
  units: readonly number[]
}

export const heldOf = ({ groups }: RegularizerEvent): Held[] =>
  groups.flatMap(({ group, held = [] }) => (held.length > 0 ? [{ group, units: held }] : []))

/** What is told before a cut that may lose something; undefined where nothing is held. */
export function warningOf(held: readonly Held[]): string | undefined {
  if (held.length === 0) return undefined
  const units = held.reduce((sum, each) => sum + each.units.length, 0)
  const groups = held.map(({ group }) => group).join(', ')
  return (
    `${units} of the units that go are still larger than 1 % of what stays (groups ${groups}): ` +
    'the cut may lose accuracy. A longer regularized phase, extend, or fading(), lets them give way.'
  )
}

/** Whether a cut lost more than it may; undefined where nobody measured, or it didn't. */
export function withheldOf(
  plan: Plan,
  maxDrop: number | undefined,
  { regularized, cut }: { regularized?: Evaluation; cut?: Evaluation },
  objective: ObjectiveOptions,
): Withheld | undefined {
  if (maxDrop === undefined || regularized === undefined || cut === undefined) return undefined
  const drop = dropBetween(regularized, cut, objective)
  return drop <= maxDrop ? undefined : { plan, drop, maxDrop }
}

/** The interface of a model that was not cut. */
export const NOTHING_CUT: InterfaceReport = {
  methods: { kept: [], cut: [], dropped: [] },
  closed: [],
  unreached: [],
}
