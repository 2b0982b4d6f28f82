import { type Axis, fixedAxis } from '../axes.js'
import type { Tensor } from '../op.js'
import type { Rule, RuleTable } from './rule.js'

/** Whether an output is zero where an operand's dead slice is: of all operands, of any, as the first one, or never. */
type Zero = 'all' | 'any' | 'first' | 'never'

/**
 * Aligns the operands at their trailing dimensions and equates those of full size. An operand of size 1 is the same for
 * every index and constrains nothing.
 */
function elementwise(zero: Zero): Rule {
  return (op) => {
    const operands = op.allInputs()
    for (const id of op.allOutputs()) {
      const shape = op.graph.value(id)?.shape ?? []
      const axes: Axis[] = []
      const zeros: boolean[] = []
      shape.forEach((size, d) => {
        const aligned = operands.map((t) => ({ t, dim: d - (shape.length - t.shape.length) }))
        const full = aligned.filter(({ t, dim }) => dim >= 0 && t.shape[dim] === size)
        const first = full[0]
        if (size === 1 || !first) {
          axes.push(fixedAxis(size))
          zeros.push(false)
          return
        }
        const axis = first.t.axes[first.dim] as Axis
        for (const { t, dim } of full.slice(1)) op.equate(axis, t.axes[dim] as Axis)
        axes.push(axis)
        zeros.push(zeroOf(zero, operands, full))
      })
      op.graph.set(id, axes, zeros)
    }
  }
}

function zeroOf(zero: Zero, operands: readonly Tensor[], full: readonly { t: Tensor; dim: number }[]): boolean {
  const flags = full.map(({ t, dim }) => t.zero[dim] === true)
  switch (zero) {
    case 'any':
      return flags.some((f) => f)
    case 'all':
      return full.length === operands.length && flags.every((f) => f)
    case 'first':
      return full[0]?.t === operands[0] && flags[0] === true
    case 'never':
      return false
  }
}

/** `x + 1` is not zero where `x` is; `x + y` is where both are. */
const sum: Rule = (op) => elementwise(op.allInputs().length > 1 ? 'all' : 'never')(op)

/** `clamp`, `hardtanh`: zero stays zero when it lies within the bounds. */
const clamp =
  (low: string, high: string): Rule =>
  (op) =>
    elementwise((op.number(low) ?? 0) <= 0 && (op.number(high) ?? 0) >= 0 ? 'all' : 'never')(op)

/** `prelu`: one slope for all, or one for each channel (dimension 1). */
const prelu: Rule = (op) => {
  const x = op.input('self')
  const weight = op.input('weight')
  if (weight.shape[0] !== 1 && x.shape.length > 1) {
    op.equate(x.axes[1] as Axis, weight.axes[0] as Axis)
    op.use(weight, 0, 'other')
  }
  op.output(x.axes, x.zero)
}

/** The same tensor, or a copy of it: shape, axes and zeros are those of `self`; other operands do not matter. */
const same: Rule = (op) => {
  const x = op.tensor('self') ?? op.tensor('input') ?? op.tensor('a')
  if (x) op.output(x.axes, x.zero)
}

const names = (rule: Rule, list: string): [string, Rule][] => list.split(' ').map((name) => [`aten::${name}`, rule])

export const elementwiseRules: RuleTable = new Map<string, Rule>([
  ...names(same, 'dropout feature_dropout alpha_dropout contiguous clone detach to type_as float double half alias'),
  ...names(
    elementwise('all'),
    'relu relu6 leaky_relu elu selu celu gelu silu mish tanh hardswish hardshrink softshrink abs neg sign square sqrt ' +
      'sin tan asin atan sinh asinh erf expm1 trunc round floor ceil maximum minimum softsign copysign positive rrelu',
  ),
  ...names(
    elementwise('never'),
    'sigmoid hardsigmoid exp log log1p log2 rsqrt reciprocal cos acos cosh softplus logsigmoid log_sigmoid pow threshold ' +
      'eq ne lt le gt ge isnan isinf isfinite logical_not logical_and logical_or bitwise_not',
  ),
  ...names(sum, 'add sub rsub'),
  ['aten::max.other', elementwise('all')],
  ['aten::min.other', elementwise('all')],
  ...names(elementwise('any'), 'mul multiply'),
  ...names(elementwise('first'), 'div true_divide divide'),
  ...names(clamp('min', 'max'), 'clamp clip'),
  ...names(clamp('min_val', 'max_val'), 'hardtanh'),
  ...names(prelu, 'prelu'),
])
