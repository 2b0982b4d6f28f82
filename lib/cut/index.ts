export { unitCount } from '../groups/widths.js'
export { countOperators, countSize, type OperatorSize, type Size } from '../measure/count.js'
export { type Approximation, approximations } from '../plan/approximate.js'
export type { LeaveOptions } from '../plan/leave.js'
export {
  describePlan,
  type MakePlanOptions,
  makePlan,
  type Plan,
  type PlanOptions,
  removedUnits,
} from '../plan/plan.js'
export { analyse } from './analyse.js'
export { type Compensation, type CompensationJob, compensate, type Uncompensated } from './compensate.js'
export { compileCut } from './edits.js'
export { type CutOptions, cutAndVerify, type Pass, type Verification } from './verify/index.js'
