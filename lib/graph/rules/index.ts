import type { Op } from '../op.js'
import { elementwiseRules } from './elementwise.js'
import { layoutRules } from './layout.js'
import { reductionRules } from './reduce.js'
import type { Rule, RuleTable } from './rule.js'
import { weightRules } from './weights.js'

/** Operators that only look at shape, type or identity: they read no element, so they constrain nothing. */
const METADATA = new Set(
  'size dim len numel is_floating_point is_complex __is__ __isnot__ ndimension stride storage_offset sym_size sym_numel'
    .split(' ')
    .map((name) => `aten::${name}`)
    .concat(['prim::dtype', 'prim::device', 'prim::layout', 'prim::is_cuda', 'prim::requires_grad', 'prim::shape']),
)

export const rules: RuleTable = new Map([...weightRules, ...elementwiseRules, ...layoutRules, ...reductionRules])

/** The rule of an operator; the in-place spelling `relu_` shares that of `relu`. */
export function ruleFor(name: string, overload: string): Rule | undefined {
  return rules.get(`${name}.${overload}`) ?? rules.get(name) ?? rules.get(name.replace(/_$/, ''))
}

/**
 * Applies the rule of an operator, or freezes what it touches when there is none, or when the operator has a form that its
 * rule was not written for: what a rule did before it gave up only ties more together.
 */
export function applyRule(op: Op): void {
  const { name, overload } = op.entry
  const touches = op.allInputs().some((t) => t.axes.length > 0) || op.allOutputs().some((id) => rank(op, id) > 0)
  if (!touches || METADATA.has(name)) return
  const rule = ruleFor(name, overload)
  if (!rule) {
    op.freeze('unknown operator')
    return
  }
  try {
    rule(op)
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    op.freeze('unsupported form')
  }
}

function rank(op: Op, id: number): number {
  return op.graph.value(id)?.shape.length ?? 0
}
