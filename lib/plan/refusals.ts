import { EspalierError } from '../base/errors.js'
import type { Analysis } from '../groups/index.js'
import type { Size } from '../measure/count.js'
import type { Asked } from './budgets/index.js'
import type { PlanOptions } from './plan.js'

export function nothingPrunable({ record, topReasons }: Analysis): EspalierError {
  const quantized = record.ops.find(({ name }) => name.startsWith('quantized::'))
  if (quantized !== undefined) {
    const words = `the model is quantized: its weights are packed inside of operators (${quantized.name}) and can't be cut`
    return new EspalierError('ERR_NOTHING_PRUNABLE', words, {
      hint: 'Prune the model that it was made of, and quantize the small one.',
    })
  }
  const reasons = topReasons
    .slice(0, 3)
    .map(({ reason }) => [reason.kind, reason.operator].filter(Boolean).join(' by '))
  const withMethods = (record.forwardOps ?? record.ops.length) < record.ops.length
  return new EspalierError('ERR_NOTHING_PRUNABLE', 'the model has no group of channels that can be pruned', {
    detail: `frozen by: ${reasons.join('; ') || 'nothing (no parameters)'}`,
    hint: withMethods
      ? "What the methods in 'methods' take and give stays as it is: without them there may be something to remove."
      : undefined,
  })
}

/** Options that say how many units go, and would not be heard beside a budget. */
export function refuseBesideBudget({ budget, ratio, ranking }: PlanOptions): void {
  if (budget === undefined) return
  const words =
    typeof ratio === 'number'
      ? "'ratio' and 'budget' both say how many units go: give one of them (a function as 'ratio' chooses the groups of a budget)"
      : "'ranking' is 'local', but a budget ranks the units of all groups together: leave one of them out"
  if (typeof ratio === 'number' || ranking === 'local') throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}

/** @param asked with the least that each may come to */
export function unreachable(asked: readonly (Asked & { best: number })[], size: Size): EspalierError {
  const amount = (x: number, { budget, whole }: Asked) => `${(100 * (x / whole)).toFixed(1)} % (${budget.unit.show(x)})`
  const missed = asked.filter(({ best, limit }) => best > limit)
  const words = missed.map(
    (each) =>
      `the budget of ${amount(each.limit, each)} of the ${each.budget.label} can't be met: the best possible is ${amount(each.best, each)}`,
  )
  const names = asked.map(({ budget }) => budget.name).join(', ')
  return new EspalierError(
    'ERR_BUDGET',
    words.length > 0 ? words.join('; ') : `the budgets (${names}) can't be met together, though each can be alone`,
    {
      detail: `the smallest model has ${size.params} parameters and ${size.macs} MACs`,
      hint: 'lower minKeep, raise the budget, or look at why groups are frozen',
    },
  )
}
