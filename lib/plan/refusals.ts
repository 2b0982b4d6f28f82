import { EspalierError } from '../base/errors.js'
import type { Analysis } from '../groups/index.js'
import type { Size } from '../measure/count.js'
import type { Budget } from './budgets/budget.js'
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

export function unreachable({ label }: Budget, fraction: number, best: number, size: Size): EspalierError {
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`
  return new EspalierError(
    'ERR_BUDGET',
    `the budget of ${percent(fraction)} of the ${label} can't be met: the best possible is ${percent(best)}`,
    {
      detail: `the smallest model has ${size.params} parameters and ${size.macs} MACs`,
      hint: 'lower minKeep, raise the budget, or look at why groups are frozen',
    },
  )
}
