import { EspalierError } from '../base/errors.js'
import type { Analysis } from '../groups/index.js'
import type { Size } from '../measure/count.js'
import type { Budget } from './budgets/budget.js'

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
  return new EspalierError('ERR_NOTHING_PRUNABLE', 'the model has no group of channels that can be pruned', {
    detail: `frozen by: ${reasons.join('; ') || 'nothing (no parameters)'}`,
  })
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
