import { UnsupportedForm } from '../axes/unsupported.js'
import type { OpEntry } from '../record/record.js'
import type { LengthRule } from '../sizes/lengths.js'
import { operatorOf } from './catalogue.js'
import type { Op } from './op.js'

/**
 * Applies the rule of an operator, or freezes what it touches when there is none, or when the operator has a form that its
 * rule was not written for: what a rule did before it gave up only ties more together.
 */
export function applyRule(op: Op): void {
  const known = operatorOf(op.entry.name, op.entry.overload)
  if (known && !known.relate) return
  const inputs = op.inputIds()
  if (![...inputs, ...op.allOutputs()].some((id) => rank(op, id) > 0)) return
  if (!known) {
    op.freeze('unknown operator')
  } else {
    try {
      known.relate?.(op)
    } catch (error) {
      if (!(error instanceof UnsupportedForm)) throw error
      op.freeze('unsupported form')
    }
  }
  const [first] = inputs
  if (first !== undefined) shareMemory(op, first, known?.view === true)
}

/** Follows views, and writes through them: what a view is given, its base and the other views of that have too. */
function shareMemory(op: Op, first: number, isView: boolean): void {
  const { graph, entry } = op
  if (!entry.mutates && !isView) return
  if (entry.mutates) {
    const written = op.allOutputs()[0]
    const known = written !== undefined && graph.has(written) ? graph.tensor(written) : undefined
    const stays = known?.axes.every((axis, d) => known.zero[d] || op.isFixed(axis)) ?? false
    if (!stays) graph.overwrite(first)
  }
  for (const id of op.allOutputs()) graph.share(id, first)
}

function rank(op: Op, id: number): number {
  return op.graph.value(id)?.shape.length ?? 0
}

/** How long what an operator gives is for any input; undefined where no rule tells. */
export function lengthRuleOf(op: OpEntry): LengthRule | undefined {
  return operatorOf(op.name, op.overload)?.lengths
}
