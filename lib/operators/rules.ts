import { createRules } from './create.js'
import { cutRules } from './cuts.js'
import { elementwiseRules } from './elementwise.js'
import { layoutRules } from './layout.js'
import { normRules } from './norms.js'
import type { Op } from './op.js'
import { productRules } from './products.js'
import { quantizeRules } from './quantize.js'
import { randomRules } from './random.js'
import { recurrentRules } from './recurrent.js'
import { reductionRules } from './reduce.js'
import type { Rule, RuleTable } from './rule.js'
import { scatterRules } from './scatter.js'
import { stateRules } from './state.js'
import { weightNormRules } from './weight-norm.js'
import { weightRules } from './weights.js'

const names = (list: string) => list.split(' ').map((name) => `aten::${name}`)

/** Operators that only look at shape, type or identity: they read no element, so they constrain nothing. */
const METADATA = new Set([
  ...names(
    'size dim len numel is_floating_point is_complex __is__ __isnot__ ndimension stride storage_offset sym_size sym_numel ' +
      'is_contiguous is_same_size is_cuda',
  ),
  ...'dtype device layout is_cuda requires_grad shape is_nested type is_sparse'
    .split(' ')
    .map((name) => `prim::${name}`),
])

/** Operators whose result may share the memory of their first operand. */
const VIEWS = new Set(
  names(
    'view reshape flatten unflatten view_as reshape_as permute transpose t mT swapaxes swapdims movedim moveaxis numpy_T ' +
      'squeeze unsqueeze expand expand_as broadcast_to split split_with_sizes chunk tensor_split slice narrow select ' +
      'unbind unfold alias detach contiguous to real imag',
  ),
)

export const rules: RuleTable = new Map([
  ...weightRules,
  ...productRules,
  ...normRules,
  ...weightNormRules,
  ...recurrentRules,
  ...stateRules,
  ...elementwiseRules,
  ...layoutRules,
  ...cutRules,
  ...randomRules,
  ...reductionRules,
  ...createRules,
  ...scatterRules,
  ...quantizeRules,
])

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
  if (METADATA.has(name)) return
  const inputs = op.inputIds()
  if (![...inputs, ...op.allOutputs()].some((id) => rank(op, id) > 0)) return
  const rule = ruleFor(name, overload)
  if (!rule) {
    op.freeze('unknown operator')
  } else {
    try {
      rule(op)
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof TypeError)) throw error
      op.freeze('unsupported form')
    }
  }
  const [first] = inputs
  if (first !== undefined) shareMemory(op, first)
}

/** Follows views, and writes through them: what a view is given, its base and the other views of that have too. */
function shareMemory(op: Op, first: number): void {
  const { graph, entry } = op
  if (!entry.mutates && !VIEWS.has(entry.name)) return
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
