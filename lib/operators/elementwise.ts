import { type Axis, fixedAxis } from '../axes/axes.js'
import type { Tensor } from './graph.js'
import { broadcast, sameLengths } from './lengths.js'
import { type Family, operators, type Relate } from './operator.js'
import { drawing } from './random.js'
import { type Form, share } from './source.js'

/**
 * Whether an output is zero where an operand's dead slice is: of all operands, of any, of the first one, or never. A
 * `pole` has no finite value at zero, so that an axis which would be zero there can't be cut.
 */
type Zero = 'all' | 'any' | 'first' | 'never' | 'pole'

/** Operands that choose but add nothing: masks and conditions. */
const CHOOSERS = new Set(['condition', 'mask'])

/**
 * Aligns the operands at their trailing dimensions and equates those of full size. An operand of size 1 is the same for
 * every index and constrains nothing.
 */
function elementwise(zero: Zero): Relate {
  return (op) => {
    const operands = op.allInputs()
    const choosers = op.entry.argNames.flatMap((name) => (CHOOSERS.has(name) ? (op.tensor(name) ?? []) : []))
    const givers = operands.filter((t) => !choosers.includes(t))
    op.allOutputs().forEach((id, k) => {
      const shape = op.graph.value(id)?.shape ?? []
      const axes: Axis[] = []
      const zeros: boolean[] = []
      shape.forEach((size, d) => {
        const dimIn = (t: Tensor) => d - (shape.length - t.shape.length)
        const full = operands.filter((t) => size > 1 && t.shape[dimIn(t)] === size)
        const [first, ...others] = full
        const axis = first ? (first.axes[dimIn(first)] as Axis) : fixedAxis(size)
        for (const t of others) op.equate(axis, t.axes[dimIn(t)] as Axis)
        const dead = givers.map((t) => full.includes(t) && t.zero[dimIn(t)] === true)
        if (zero === 'pole' && dead[0]) op.fix(axis, 'no finite value where it is zero')
        axes.push(axis)
        zeros.push(first !== undefined && ZERO[zero](dead))
      })
      op.output(axes, zeros, k)
    })
  }
}

const ZERO: Readonly<Record<Zero, (dead: readonly boolean[]) => boolean>> = {
  all: (dead) => dead.every((d) => d),
  any: (dead) => dead.some((d) => d),
  first: (dead) => dead[0] === true,
  never: () => false,
  pole: () => false,
}

/** `x + 1` is not zero where `x` is; `x + y` is where both are. */
const sum: Relate = (op) => {
  elementwise(op.allInputs().length > 1 || op.number('other') === 0 ? 'all' : 'never')(op)
  const [x, other] = [op.tensor('self'), op.tensor('other')]
  const subtracts = op.entry.name === 'aten::sub' && op.int('alpha', 1) === 1
  if (subtracts && x && other) op.graph.centred.difference(op.entry, x.id, other.id)
}

const product: Relate = (op) => {
  elementwise('any')(op)
  const [x, other] = [op.tensor('self'), op.tensor('other')]
  if (x && x.id === other?.id) op.graph.centred.square(op.entry, x.id)
}

/** `x / y`: zero over zero has no value. */
const quotient: Relate = (op) => {
  const divisor = op.tensor('other') ?? op.tensor('tensor2')
  divisor?.axes.forEach((axis, d) => {
    if (divisor.zero[d]) op.fix(axis, 'no finite value where it is zero')
  })
  elementwise('first')(op)
}

/** `x ** y`: zero stays zero for a positive exponent. */
const power: Relate = (op) => {
  const exponent = op.number('exponent')
  elementwise(exponent === undefined || exponent === 0 ? 'never' : exponent > 0 ? 'first' : 'pole')(op)
  const x = op.tensor('self')
  if (x && exponent === 2) op.graph.centred.square(op.entry, x.id)
}

const square: Relate = (op) => {
  elementwise('all')(op)
  op.graph.centred.square(op.entry, op.input('self').id)
}

/**
 * `d²` of `d = x - mean(x)`, so that the mean of what is left of it is that of all: a removed one has `d = -mean(x)`, and what is
 * left of `d` sums up to `(N - K) mean(x)`.
 */
const squareForMean: Form = (op) => {
  const part = share(op)
  return {
    source: `m = torch.mean(self, [${op.dims.join(', ')}], True)\nreturn self * self + m * m * ${part / (1 - part)}`,
    values: {},
  }
}

/** `clamp`, `hardtanh`: zero stays zero when it lies within the bounds. */
const clamp =
  (low: string, high: string): Relate =>
  (op) =>
    elementwise((op.number(low) ?? 0) <= 0 && (op.number(high) ?? 0) >= 0 ? 'all' : 'never')(op)

/** A value that is put in the place of others. */
const fill =
  (argument: string): Relate =>
  (op) =>
    elementwise(op.number(argument) === 0 ? 'first' : 'never')(op)

/** `prelu`: one slope for all, or one for each channel (dimension 1). */
const prelu: Relate = (op) => {
  const x = op.input('self')
  const weight = op.input('weight')
  if (weight.shape[0] !== 1 && x.shape.length > 1) {
    op.equate(x.axes[1] as Axis, weight.axes[0] as Axis)
    op.use(weight, 0, 'other')
  }
  op.output(x.axes, x.zero)
}

/** The same tensor, or a copy of it: shape, axes and zeros are those of `self`; other operands do not matter. */
const same: Relate = (op) => {
  const x = op.tensor('self') ?? op.tensor('input') ?? op.tensor('a')
  if (x) op.output(x.axes, x.zero)
}

/** The shape of `self` with other contents: a constant. */
const contents =
  (zero: boolean): Relate =>
  (op) => {
    const x = op.input('self')
    op.output(
      x.axes,
      x.axes.map(() => zero),
    )
  }

/** `self` takes the contents of `src`, which is broadcast to it. */
const copy: Relate = (op) => {
  const x = op.input('self')
  const source = op.input('src')
  const shift = x.axes.length - source.axes.length
  source.axes.forEach((axis, d) => {
    if (axis.length === x.axes[d + shift]?.length) op.equate(x.axes[d + shift] as Axis, axis)
  })
  op.output(
    x.axes,
    x.axes.map((axis, d) => source.axes[d - shift]?.length === axis.length && source.zero[d - shift] === true),
  )
}

/** `where(condition, self, other)`: either may be a number. */
const where: Relate = (op) => {
  const numbers = ['self', 'other'].map((name) => op.number(name) ?? 0)
  elementwise(numbers.every((n) => n === 0) ? 'all' : 'never')(op)
}

const BOTH = 'element by element'

/** Lengths are those of the operands, broadcast. */
const byElement = (relate: Relate) => ({ relate, lengths: broadcast })
/** Lengths are those of the first operand. */
const asFirst = (relate: Relate) => ({ relate, lengths: sameLengths })

export const elementwises: Family = [
  ...operators(
    'dropout feature_dropout alpha_dropout',
    `${BOTH}; all of it where it drops out`,
    asFirst(drawing('train', same)),
  ),
  ...operators('rrelu', `${BOTH}; all of it where it draws slopes`, byElement(drawing('training', elementwise('all')))),
  ...operators('alias detach contiguous to', 'the same tensor, or a copy', { ...asFirst(same), view: true }),
  ...operators('clone type_as lift_fresh cpu cuda requires_grad _to_copy', 'the same tensor, or a copy', asFirst(same)),
  ...operators('float double half', 'the same tensor, or a copy', byElement(same)),
  ...operators('real imag', BOTH, { ...byElement(elementwise('all')), view: true }),
  ...operators(
    'relu relu6 leaky_relu elu selu celu gelu silu mish tanh hardswish hardshrink softshrink abs absolute neg negative ' +
      'sign sgn sqrt sin tan asin arcsin atan arctan sinh asinh arcsinh atanh arctanh erf expm1 log1p trunc fix round floor ceil ' +
      'maximum minimum fmax fmin positive nan_to_num lerp addcmul logical_and ' +
      'logical_or bitwise_and bitwise_or conj',
    `${BOTH}; zero stays zero`,
    byElement(elementwise('all')),
  ),
  ...operators(
    'sigmoid hardsigmoid exp exp2 cos acos arccos cosh softplus log_sigmoid threshold eq ne lt le gt ge not_equal ' +
      'less less_equal greater greater_equal isnan isinf isfinite isclose logical_not logical_xor bitwise_not bitwise_xor ' +
      'erfc atan2 signbit',
    `${BOTH}; zero does not stay zero`,
    byElement(elementwise('never')),
  ),
  ...operators(
    'log log2 log10 rsqrt reciprocal logit acosh arccosh',
    `${BOTH}; what is zero when dead stays, since the result would not be finite`,
    byElement(elementwise('pole')),
  ),
  ...operators('add sub subtract rsub', `${BOTH}; zero where both are`, byElement(sum)),
  ...operators('where', `${BOTH}; zero where both are`, byElement(where)),
  ...operators('max.other min.other', `${BOTH}; zero where both are`, byElement(elementwise('all'))),
  ...operators('mul multiply', `${BOTH}; zero where one is`, { ...byElement(product), exact: squareForMean }),
  ...operators('square', `${BOTH}; zero stays zero`, { ...byElement(square), exact: squareForMean }),
  ...operators(
    'div true_divide divide floor_divide',
    `${BOTH}; a divisor that is zero when dead stays`,
    byElement(quotient),
  ),
  ...operators(
    'fmod remainder copysign _prelu_kernel',
    `${BOTH}; zero where the first is`,
    byElement(elementwise('first')),
  ),
  ...operators('pow float_power', `${BOTH}; zero stays zero for a positive exponent`, {
    ...byElement(power),
    exact: squareForMean,
  }),
  ...operators('clamp clip', `${BOTH}; zero stays zero within the bounds`, byElement(clamp('min', 'max'))),
  ...operators('clamp_min', `${BOTH}; zero stays zero within the bound`, byElement(clamp('min', ''))),
  ...operators('clamp_max', `${BOTH}; zero stays zero within the bound`, byElement(clamp('', 'max'))),
  ...operators('hardtanh', `${BOTH}; zero stays zero within the bounds`, byElement(clamp('min_val', 'max_val'))),
  ...operators('masked_fill fill', `${BOTH}; zero stays zero for the value 0`, asFirst(fill('value'))),
  ...operators('prelu', `${BOTH}; a slope for each channel is cut with it`, asFirst(prelu)),
  ...operators('zero zeros_like', 'the axes of its operand', asFirst(contents(true))),
  ...operators('ones_like full_like empty_like', 'the axes of its operand', asFirst(contents(false))),
  ...operators('copy', 'takes the contents of another tensor', asFirst(copy)),
]
