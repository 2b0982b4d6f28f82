/** What plans and their options are. */

import {
  array,
  type Entries,
  either,
  flag,
  func,
  like,
  list,
  maybe,
  number,
  object,
  oneOf,
  refined,
  type Schema,
  signature,
  text,
  thing,
} from '../base/schema/index.js'
import type { ChannelGroup } from '../groups/index.js'
import { ANALYSIS, REMOVED } from '../groups/schemas.js'
import { SCORES } from '../importance/types.js'
import type { Timings } from '../measure/forecast.js'
import { BUDGET_NAMES, BUDGETS, type BudgetOption } from './budgets/index.js'
import { type BudgetTarget, isTarget, type Unit } from './budgets/target.js'
import type { LeaveOptions } from './leave.js'
import type { MakePlanOptions, Plan, PlanOptions } from './plan.js'

const PART = number({ above: 0, max: 1 })

const target = (unit: Unit): Schema<BudgetTarget> =>
  thing(`a part above 0 to 1, or ${unit.words}`, (value) => isTarget(value, unit))

/** @internal */
export const BUDGET = refined(
  object<BudgetOption>(
    Object.fromEntries(BUDGET_NAMES.map((name) => [name, maybe(target(BUDGETS[name].unit))])) as unknown as Entries<
      Required<BudgetOption>
    >,
  ),
  `an object with one or more of ${BUDGET_NAMES.join(', ')}`,
  (budget) => Object.values(budget).some((each) => each !== undefined),
)

/** @internal */
export const LATENCY_BUDGET = refined(BUDGET, "an object with 'latency'", ({ latency }) => latency !== undefined)

const NAMES = list(text(), 'a list of names, in which * stands for a part')

/** @internal */
export const LEAVE_ENTRIES: Entries<LeaveOptions> = { keep: maybe(NAMES), ignore: maybe(NAMES) }

/** @internal */
export const PLAN_ENTRIES: Entries<PlanOptions> = {
  ratio: maybe(
    either(
      'a number from 0 to below 1, or a function that gives one for a group',
      number({ min: 0, below: 1 }),
      func<(group: ChannelGroup) => number | undefined>(),
    ),
  ),
  ranking: maybe(oneOf('local', 'global')),
  budget: maybe(BUDGET),
  minKeep: maybe(PART),
  exact: maybe(flag),
  ...LEAVE_ENTRIES,
}

/** @internal */
export const TIMINGS = like<Timings>('timings, as Prunable.aim() gives them', {
  whole: number(),
  operators: like('an object', {}),
  samples: array('a list'),
  scale: number(),
})

const isRemoval = ({ group, units }: Plan['removed'][number]): boolean =>
  Number.isInteger(group) && Array.isArray(units) && units.every(Number.isInteger)

/** @internal */
export const REMOVED_UNITS: Schema<Plan['removed']> = thing(
  'a list of { group, units }',
  (value) =>
    Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null && isRemoval(each)),
)

/** @internal */
export const PLAN = like<Plan>('a plan, as makePlan() gives it', {
  removed: REMOVED_UNITS,
  keep: like('an object', {}),
  directions: like('an object', {}),
  params: array('two numbers'),
  macs: array('two numbers'),
  bytes: array('two numbers'),
  memory: array('two numbers'),
  approximate: array('a list'),
})

/** @internal */
export const MAKE_PLAN = signature(
  'makePlan',
  ['analysis', ANALYSIS],
  ['scores', SCORES],
  ['options', object<MakePlanOptions>({ ...PLAN_ENTRIES, timings: maybe(TIMINGS) })],
)

/** @internal */
export const DESCRIBE_PLAN = signature('describePlan', ['analysis', ANALYSIS], ['removed', REMOVED])

/** @internal */
export const UNITS_OF_PLAN = signature(
  'removedUnits',
  ['analysis', ANALYSIS],
  ['plan', like<Pick<Plan, 'removed'>>('a plan, as makePlan() gives it', { removed: REMOVED_UNITS })],
)
