import { macs } from './macs.js'
import { params } from './params.js'

/** All budgets, by the name of their option. */
export const BUDGETS = { macs, params } as const

export type BudgetName = keyof typeof BUDGETS
export const BUDGET_NAMES = Object.keys(BUDGETS) as readonly BudgetName[]

/** A target as a fraction in (0, 1] of what the whole model costs. */
export type BudgetOption = {
  [Name in BudgetName]: { readonly [Own in Name]: number } & {
    readonly [Other in Exclude<BudgetName, Name>]?: undefined
  }
}[BudgetName]
