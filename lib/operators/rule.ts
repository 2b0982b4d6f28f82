import type { Op } from './op.js'

/** Relates the axes of an operator's arguments and gives axes to its outputs. */
export type Rule = (op: Op) => void

/**
 * By qualified operator name, `aten::conv2d`, or name and overload where they differ in kind, `aten::max.other`. In-place
 * spellings (`relu_`) share the entry of the plain name.
 */
export type RuleTable = ReadonlyMap<string, Rule>

/** Entries of a table: one rule for all operators of a list of names. */
export function rules(rule: Rule, names: string): [string, Rule][] {
  return names.split(/\s+/).map((name) => [`aten::${name}`, rule])
}
