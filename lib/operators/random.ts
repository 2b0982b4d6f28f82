import type { Op } from './op.js'
import { type Rule, type RuleTable, rules } from './rule.js'

const REASON = 'random numbers'

/**
 * Random numbers: as many are drawn as before, and in the same order, or those that are left would be others, here and in all
 * that is drawn later.
 */
const random: Rule = (op) => {
  fixInputs(op)
  op.allOutputs().forEach((_, k) => {
    const shape = op.outputShape(k)
    op.output(
      shape.map((size) => op.pinned(size, REASON)),
      shape.map(() => false),
      k,
    )
  })
}

/** An operator that draws random numbers where a flag of it is set, or a probability is above 0. */
export function drawing(argument: string, rule: Rule): Rule {
  return (op) => {
    rule(op)
    if (op.flag(argument) || (op.number(argument) ?? 0) > 0) fixInputs(op)
  }
}

function fixInputs(op: Op): void {
  for (const t of op.allInputs()) for (const axis of t.axes) op.fix(axis, REASON)
}

export const randomRules: RuleTable = new Map<string, Rule>(
  rules(
    random,
    'rand randn randint randperm rand_like randn_like randint_like bernoulli uniform normal random exponential log_normal',
  ),
)
