import type { Analysis, Removed } from '../../groups/index.js'
import type { Budget, Known } from './budget.js'
import { bytes } from './bytes.js'
import { latency } from './latency.js'
import { macs } from './macs.js'
import { memory } from './memory.js'
import { params } from './params.js'
import { type BudgetTarget, targetOf } from './target.js'

/** All budgets, by the name of their option. */
export const BUDGETS = { macs, params, bytes, memory, latency } as const

export type BudgetName = keyof typeof BUDGETS
export const BUDGET_NAMES = Object.keys(BUDGETS) as readonly BudgetName[]

/**
 * What a model may cost: one or more of these, all of which are met. A number above 0 to 1, or a text such as `'50%'`, is a part of what
 * the whole model costs; `4e8` and `'400M'` are so many MACs or parameters, `'10MB'` and `'512KiB'` so many bytes, `'8ms'` such a time of a forward pass on the example
 * inputs, on this machine and with the threads of this process.
 */
export type BudgetOption = { readonly [Name in BudgetName]?: BudgetTarget | undefined }

/** A budget, how much of it there may be, and what the whole model costs. */
export interface Asked {
  budget: Budget
  limit: number
  whole: number
}

/** What is asked for, in the order of {@link BUDGETS}. */
export function askedOf(analysis: Analysis, option: BudgetOption, known: Known = {}): Asked[] {
  const none: Removed = new Uint8Array(0)
  return BUDGET_NAMES.flatMap((name) => {
    if (option[name] === undefined) return []
    const budget: Budget = BUDGETS[name]
    const whole = budget.whole?.(known) ?? budget.cost(analysis, none, known)
    const limit = targetOf(option[name], budget.unit, whole) as number
    return [{ budget, limit, whole }]
  })
}

/** The same as parts of the whole model; those that the whole is within are 1. */
export function partsOf(
  analysis: Analysis,
  option: BudgetOption,
  known: Known = {},
): Partial<Record<BudgetName, number>> {
  const parts = askedOf(analysis, option, known).map(({ budget, limit, whole }) => [
    budget.name,
    whole > limit ? limit / whole : 1,
  ])
  return Object.fromEntries(parts)
}
