import type { Length, LengthOp, LengthRule, Tensor } from '../sizes/lengths.js'
import { ONE, Polynomial } from '../sizes/polynomial.js'
import { elementwiseRules } from './elementwise.js'
import { normRules } from './norms.js'

const at = (dim: number, rank: number) => (dim < 0 ? dim + rank : dim)
const product = (all: readonly Polynomial[]) => all.reduce((a, b) => a.times(b), ONE)

/** What several operands are in a dimension that they share: those of 1 are stretched, a constant is that for all. */
function shared(sides: readonly { size: number; length: Polynomial }[]): Length {
  const wide = sides.filter(({ length }) => length.value !== 1)
  return (wide.find(({ length }) => length.value !== undefined) ?? wide[0])?.length ?? ONE
}

/** Operands aligned at their last dimensions. */
function aligned(tensors: readonly Tensor[], rank: number): Length[] {
  return Array.from({ length: rank }, (_, d) =>
    shared(
      tensors.flatMap(({ sizes, lengths }) => {
        const own = d - (rank - sizes.length)
        const length = lengths[own]
        return length ? [{ size: sizes[own] as number, length }] : []
      }),
    ),
  )
}

const broadcast: LengthRule = (op, shape) => aligned(op.tensors(), shape.length)
const first = (op: LengthOp) => op.tensor('self', 'input', 'a', 'v', 'x')
const same: LengthRule = (op) => first(op)?.lengths

/** The dimensions of the first operand from `before`, others put in their place. */
const leading =
  (
    rest: (op: LengthOp, x: Tensor, shape: readonly number[]) => readonly Length[] | undefined,
    kept: number,
  ): LengthRule =>
  (op, shape) => {
    const x = first(op)
    const own = x && rest(op, x, shape)
    return own && [...x.lengths.slice(0, kept < 0 ? x.sizes.length + kept : kept), ...own]
  }

const lastOf = (t: Tensor | undefined, d: number): Length => t?.lengths[d]

const convolution =
  (transposed: (op: LengthOp) => boolean): LengthRule =>
  (op, shape) => {
    const [x, weight] = [op.tensor('input'), op.tensor('weight')]
    if (!x || !weight) return undefined
    const channel = x.sizes.length - weight.sizes.length + 1
    const columns = lastOf(weight, 1)
    const out = transposed(op) ? columns?.scaled(op.int('groups') ?? 1, 1) : lastOf(weight, 0)
    return shape.map((_, d) => (d < channel ? x.lengths[d] : d === channel ? out : undefined))
  }

const matmul =
  (a: string, b: string): LengthRule =>
  (op, shape) => {
    const [x, y] = [op.tensor(a), op.tensor(b)]
    if (!x || !y) return undefined
    const batch = (t: Tensor) => ({ sizes: t.sizes.slice(0, -2), lengths: t.lengths.slice(0, -2) })
    const own = [...(x.sizes.length > 1 ? [x.lengths.at(-2)] : []), ...(y.sizes.length > 1 ? [y.lengths.at(-1)] : [])]
    return [...aligned([batch(x), batch(y)], shape.length - own.length), ...own]
  }

const einsum: LengthRule = (op) => {
  const [left, right] = (op.text('equation') ?? '').replaceAll(' ', '').split('->') as [string, string?]
  const tensors = op.tensors('tensors')
  const terms = left.split(',')
  if (right === undefined || left.includes('.') || terms.length !== tensors.length) return undefined
  return [...right].map((letter) =>
    shared(
      terms.flatMap((term, k) => {
        const d = term.indexOf(letter)
        const length = tensors[k]?.lengths[d]
        return length ? [{ size: 0, length }] : []
      }),
    ),
  )
}

const attention: LengthRule = (op, shape) => {
  const [q, k, v] = ['query', 'key', 'value'].map((name) => op.tensor(name))
  if (!q || !k || !v) return undefined
  const batch = [q, k, v].map((t) => ({ sizes: t.sizes.slice(0, -2), lengths: t.lengths.slice(0, -2) }))
  return [
    ...aligned(op.flag('enable_gqa') ? batch.slice(0, 1) : batch, shape.length - 2),
    q.lengths.at(-2),
    v.lengths.at(-1),
  ]
}

/** The features of a recurrent layer are those of its weights. */
const recurrent: LengthRule = (op, shape, k) => {
  const x = op.tensor('data', 'input')
  const width = Polynomial.constant(shape.at(-1) as number)
  if (k === 0) return x && [...x.lengths.slice(0, -1), width]
  return shape.map((_, d) => (d === shape.length - 1 ? width : undefined))
}

const permute: LengthRule = (op) => {
  const x = first(op)
  return op.ints('dims')?.map((d) => x?.lengths[at(d, x.sizes.length)])
}

const transpose: LengthRule = (op) => {
  const x = first(op)
  if (!x) return undefined
  const rank = x.sizes.length
  const lengths: Length[] = [...x.lengths]
  const a = at(op.int('dim0') ?? op.int('axis0') ?? -2, rank)
  const b = at(op.int('dim1') ?? op.int('axis1') ?? -1, rank)
  if (rank > 1) [lengths[a], lengths[b]] = [lengths[b], lengths[a]]
  return lengths
}

const move: LengthRule = (op) => {
  const x = first(op)
  if (!x) return undefined
  const [from, to] = ['source', 'destination'].map((name) =>
    (op.ints(name) ?? []).map((d) => at(d, x.sizes.length)),
  ) as [number[], number[]]
  const others = x.lengths.map((_, d) => d).filter((d) => !from.includes(d))
  return x.lengths.map(
    (_, d) => x.lengths[to.includes(d) ? (from[to.indexOf(d)] as number) : (others.shift() as number)],
  )
}

const squeeze: LengthRule = (op) => {
  const x = first(op)
  const dims = op.ints('dim')?.map((d) => at(d, x?.sizes.length ?? 0))
  return x?.lengths.filter((_, d) => x.sizes[d] !== 1 || (dims && !dims.includes(d)))
}

const unsqueeze: LengthRule = (op, shape) => {
  const x = first(op)
  const d = at(op.int('dim') ?? 0, shape.length)
  return x && [...x.lengths.slice(0, d), ONE, ...x.lengths.slice(d)]
}

/** What -1 stands for: the lengths that are there, over those that are named. */
function inferred(total: readonly Polynomial[], others: readonly Length[]): Length {
  const left = [...total]
  const rest: Polynomial[] = []
  for (const other of others) {
    if (!other) return undefined
    const twin = left.findIndex((each) => each.same(other))
    if (twin >= 0) left.splice(twin, 1)
    else rest.push(other)
  }
  return product(left).over(product(rest))
}

/** Sizes as the program gives them; one may be -1. */
function sized(total: readonly Polynomial[], sizes: readonly Polynomial[]): Length[] {
  const open = sizes.findIndex(({ value }) => value === -1)
  if (open < 0) return [...sizes]
  const others = sizes.filter((_, d) => d !== open)
  return sizes.map((size, d) => (d === open ? inferred(total, others) : size))
}

const view =
  (argument: string): LengthRule =>
  (op) => {
    const [x, sizes] = [first(op), op.numbers(argument)]
    return x && sizes && sized(x.lengths, sizes)
  }

const flatten: LengthRule = (op) => {
  const x = first(op)
  if (!x) return undefined
  const [a, b] = [at(op.int('start_dim') ?? 0, x.sizes.length), at(op.int('end_dim') ?? -1, x.sizes.length)]
  return [...x.lengths.slice(0, a), product(x.lengths.slice(a, b + 1)), ...x.lengths.slice(b + 1)]
}

const unflatten: LengthRule = (op) => {
  const [x, sizes] = [first(op), op.numbers('sizes')]
  if (!x || !sizes) return undefined
  const d = at(op.int('dim') ?? 0, x.sizes.length)
  return [...x.lengths.slice(0, d), ...sized(x.lengths.slice(d, d + 1), sizes), ...x.lengths.slice(d + 1)]
}

const like: LengthRule = (op) => op.tensor('other')?.lengths

const expand: LengthRule = (op, shape) => {
  const [x, sizes] = [first(op), op.numbers('size')]
  if (!x || !sizes) return op.tensor('other')?.lengths
  return sizes.map((size, d) => (size.value === -1 ? x.lengths[d - (shape.length - x.sizes.length)] : size))
}

const repeat =
  (argument: string): LengthRule =>
  (op, shape) => {
    const [x, times] = [first(op), op.numbers(argument)]
    if (!x || !times) return undefined
    const own = (d: number, rank: number) => d - (shape.length - rank)
    return shape.map((_, d) => (times[own(d, times.length)] ?? ONE).times(x.lengths[own(d, x.sizes.length)] ?? ONE))
  }

/** One dimension changes; where it and all numbers are constant so is what comes out. */
const dimension =
  (change: (op: LengthOp, x: Tensor, d: number, k: number) => Length, fallback = 0): LengthRule =>
  (op, shape, k) => {
    const x = first(op)
    const d = at(op.int('dim') ?? fallback, x?.sizes.length ?? 0)
    const isConstant = x?.lengths[d]?.value !== undefined && op.hasConstantNumbers()
    const constant = Polynomial.constant(shape[d] as number)
    return x?.lengths.map((length, e) => (e !== d ? length : isConstant ? constant : change(op, x, d, k)))
  }

const interleave = dimension((op, x, d) => op.number('repeats')?.times(x.lengths[d] as Polynomial))

const cat: LengthRule = (op) => {
  const parts = op.tensors('tensors').filter(({ sizes }) => !(sizes.length === 1 && sizes[0] === 0))
  const d = at(op.int('dim') ?? 0, parts[0]?.sizes.length ?? 0)
  return parts[0]?.sizes.map((size, e) =>
    e === d
      ? parts.reduce<Polynomial>((sum, t) => sum.plus(t.lengths[d] as Polynomial), Polynomial.constant(0))
      : shared(parts.map(({ lengths }) => ({ size, length: lengths[e] as Polynomial }))),
  )
}

const stack: LengthRule = (op, shape) => {
  const parts = op.tensors('tensors')
  const d = at(op.int('dim') ?? 0, shape.length)
  const own = parts[0]?.lengths
  return own && [...own.slice(0, d), Polynomial.constant(parts.length), ...own.slice(d)]
}

/** `x[start:end]`: bounds that are left out, or lie beyond the end, are those of the dimension. */
const slice = dimension((op, x, d) => {
  const length = x.lengths[d] as Polynomial
  const [start, end] = [op.number('start') ?? Polynomial.constant(0), op.number('end') ?? length]
  if ((op.int('step') ?? 1) !== 1) return undefined
  const whole = end.value !== undefined && end.value >= 2 ** 31
  const last = whole ? length : end.value !== undefined && end.value < 0 ? length.plus(end) : end
  return start.value !== undefined && start.value < 0 ? start.scaled(-1, 1) : last.plus(start, -1)
})

const select: LengthRule = (op) => {
  const x = first(op)
  const d = at(op.int('dim') ?? 0, x?.sizes.length ?? 0)
  return x?.lengths.filter((_, e) => e !== d)
}

const split = dimension((op, _, __, k) => op.numbers('split_sizes')?.[k] ?? op.numbers('split_size')?.[k])

/** Equal parts of a dimension that divides for every input. */
const chunk = dimension((op, x, d) => x.lengths[d]?.scaled(1, op.int('chunks') ?? op.int('sections') ?? 0))

const pad: LengthRule = (op) => {
  const [x, amounts] = [first(op), op.numbers('pad')]
  return x?.lengths.map((length, d) => {
    const k = 2 * (x.sizes.length - 1 - d)
    const [before, after] = [amounts?.[k], amounts?.[k + 1]]
    return before && after ? length.plus(before).plus(after) : amounts && length
  })
}

const reduction: LengthRule = (op, shape, k) => {
  const x = first(op)
  if (!x) return undefined
  if (op.tensor('other')) return broadcast(op, shape, k)
  const rank = x.sizes.length
  const named = op.ints('dim')?.map((d) => at(d, rank))
  const reduced = named === undefined || named.length === 0 ? x.sizes.map((_, d) => d) : named
  if (shape.length === rank) return x.lengths.map((length, d) => (reduced.includes(d) ? ONE : length))
  return x.lengths.filter((_, d) => !reduced.includes(d))
}

/** Windows over the last dimensions; an adaptive one, and interpolation, is told how many it gives. */
const windows =
  (spatial: (x: Tensor) => number): LengthRule =>
  (op, shape) => {
    const x = first(op)
    if (!x) return undefined
    const kept = x.sizes.length - spatial(x)
    const told = op.entry.name.startsWith('aten::adaptive') ? op.numbers('output_size') : undefined
    return shape.map((_, d) => (d < kept ? x.lengths[d] : told?.[d - kept]))
  }

/** `x[:, index]`: what the index tensors are broadcast to stands where the first of them does. */
const index: LengthRule = (op, shape) => {
  const x = first(op)
  const given = op.entries('indices')
  const dims = given.flatMap((t, d) => (t ? [d] : []))
  if (!x || dims.length === 0 || given.some((t) => t?.isMask)) return undefined
  const rest = x.lengths.filter((_, d) => !dims.includes(d))
  const own = aligned(
    given.flatMap((t) => (t ? [t] : [])),
    shape.length - rest.length,
  )
  const place = dims.every((d, k) => d === (dims[0] as number) + k) ? (dims[0] as number) : 0
  return [...rest.slice(0, place), ...own, ...rest.slice(place)]
}

const unfold: LengthRule = (op) => {
  const x = first(op)
  const d = at(op.int('dimension') ?? 0, x?.sizes.length ?? 0)
  return x && [...x.lengths.map((length, e) => (e === d ? undefined : length)), op.number('size')]
}

/** Channels, each `n` times or one for each `n`, at dimension `-2` of the images' columns. */
const columns: LengthRule = (op, shape) => {
  const x = first(op)
  const d = op.entry.name === 'aten::im2col' ? shape.length - 2 : shape.length - 3
  const [from, to] = [x?.sizes[d] ?? 1, shape[d] as number]
  return shape.map((_, e) => (e < d ? x?.lengths[e] : e === d ? x?.lengths[d]?.scaled(to, from) : undefined))
}

const filled: LengthRule = (op) => op.numbers('size')

const names = (rule: LengthRule, list: string): [string, LengthRule][] =>
  list.split(/\s+/).map((name) => [`aten::${name}`, rule])

const RULES: ReadonlyMap<string, LengthRule> = new Map<string, LengthRule>([
  ...[...elementwiseRules.keys()].map((name): [string, LengthRule] => [name, broadcast]),
  ...[...normRules.keys()].map((name): [string, LengthRule] => [name, same]),
  ...names(
    same,
    'dropout feature_dropout alpha_dropout contiguous clone detach to type_as alias lift_fresh cpu cuda requires_grad ' +
      '_to_copy zeros_like ones_like full_like empty_like rand_like randn_like bernoulli uniform normal random zero fill ' +
      'masked_fill copy roll flip cumsum cumprod sort argsort softmax log_softmax softmin _softmax _log_softmax triu tril ' +
      'channel_shuffle native_channel_shuffle prelu index_add scatter scatter_add index_fill index_copy index_put',
  ),
  ...names(
    convolution(() => false),
    'conv1d conv2d conv3d',
  ),
  ...names(
    convolution(() => true),
    'conv_transpose1d conv_transpose2d conv_transpose3d',
  ),
  ...names(
    convolution((op) => op.flag('transposed')),
    '_convolution convolution',
  ),
  ...names(
    leading((op) => [lastOf(op.tensor('weight'), 0)], -1),
    'linear',
  ),
  ['aten::bilinear', (op) => [...(op.tensor('input1')?.lengths.slice(0, -1) ?? []), lastOf(op.tensor('weight'), 0)]],
  ['aten::embedding', (op) => [...(op.tensor('indices')?.lengths ?? []), lastOf(op.tensor('weight'), 1)]],
  ...names(matmul('self', 'other'), 'matmul'),
  ...names(matmul('self', 'mat2'), 'mm bmm'),
  ...names(matmul('self', 'vec'), 'mv'),
  ...names(matmul('self', 'tensor'), 'dot'),
  ...names(matmul('mat1', 'mat2'), 'addmm'),
  ...names(matmul('batch1', 'batch2'), 'baddbmm'),
  ...names(matmul('mat', 'vec'), 'addmv'),
  ...names(einsum, 'einsum'),
  ...names(attention, 'scaled_dot_product_attention'),
  ...names(recurrent, 'lstm gru rnn_tanh rnn_relu'),
  ...names(permute, 'permute'),
  ...names(transpose, 'transpose t mT swapaxes swapdims adjoint'),
  ['aten::numpy_T', (op) => first(op)?.lengths.toReversed()],
  ...names(move, 'movedim moveaxis'),
  ...names(view('size'), 'view _unsafe_view'),
  ...names(view('shape'), 'reshape'),
  ...names(flatten, 'flatten'),
  ['aten::ravel', (op) => [product(first(op)?.lengths ?? [])]],
  ...names(unflatten, 'unflatten'),
  ...names(like, 'view_as reshape_as'),
  ...names(squeeze, 'squeeze'),
  ...names(unsqueeze, 'unsqueeze'),
  ...names(expand, 'expand expand_as broadcast_to'),
  ...names(repeat('repeats'), 'repeat'),
  ...names(repeat('dims'), 'tile'),
  ...names(interleave, 'repeat_interleave'),
  ...names(cat, 'cat concat concatenate'),
  ...names(stack, 'stack'),
  ...names(slice, 'slice'),
  ...names(
    dimension((op) => op.number('length')),
    'narrow',
  ),
  ...names(select, 'select unbind'),
  ...names(index, 'index'),
  ['aten::one_hot', (op) => [...(first(op)?.lengths ?? []), op.number('num_classes')]],
  ...names(unfold, 'unfold'),
  ...names(columns, 'im2col col2im'),
  ...names(split, 'split split_with_sizes unsafe_split unsafe_split_with_sizes'),
  ...names(chunk, 'chunk tensor_split unsafe_chunk'),
  ...names(
    dimension((op) => op.tensor('index')?.lengths[0]),
    'index_select',
  ),
  ...names((op) => op.tensor('index')?.lengths, 'gather'),
  ...names(
    dimension((_, x, d) => x.lengths[d]?.scaled(1, 2), -1),
    'glu',
  ),
  ...names(
    dimension((op) => op.number('k'), -1),
    'topk',
  ),
  ...names(pad, 'pad constant_pad_nd'),
  ...names(
    reduction,
    'sum nansum mean var std var_mean std_mean nanmean amax amin max min aminmax median prod all any count_nonzero ' +
      'logsumexp argmax argmin norm linalg_vector_norm frobenius_norm',
  ),
  ...names(
    windows(() => 1),
    'max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d max_pool1d_with_indices',
  ),
  ...names(
    windows(() => 2),
    'max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices',
  ),
  ...names(
    windows(() => 3),
    'max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d max_pool3d_with_indices',
  ),
  ...names(
    windows(({ sizes }) => sizes.length - 2),
    'upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d ' +
      'upsample_trilinear3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d ' +
      '_upsample_bilinear2d_aa _upsample_bicubic2d_aa _upsample_lanczos2d_aa __interpolate __upsample grid_sampler ' +
      'grid_sampler_2d grid_sampler_3d reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d ' +
      'replication_pad2d replication_pad3d',
  ),
  // r² channels make one, and back.
  ['aten::pixel_shuffle', shuffled((r) => [1, r * r], 'upscale_factor')],
  ['aten::pixel_unshuffle', shuffled((r) => [r * r, 1], 'downscale_factor')],
  ...names(filled, 'zeros ones full empty new_zeros new_ones new_full new_empty rand randn'),
])

function shuffled(ratio: (r: number) => readonly [number, number], factor: string): LengthRule {
  return (op, shape) => {
    const x = first(op)
    const [multiply, divide] = ratio(op.int(factor) ?? 1)
    const channel = shape.length - 3
    return shape.map((_, d) =>
      d < channel ? x?.lengths[d] : d === channel ? x?.lengths[d]?.scaled(multiply, divide) : undefined,
    )
  }
}

/** The rule of an operator; the in-place spelling `relu_` shares that of `relu`. */
export function lengthRuleFor(name: string): LengthRule | undefined {
  return RULES.get(name) ?? RULES.get(name.replace(/_$/, ''))
}
