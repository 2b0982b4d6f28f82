import { type Axis, fixedAxis } from '../axes/axes.js'
import { flat } from '../record/record.js'
import type { Length, LengthRule } from '../sizes/lengths.js'
import { ONE } from '../sizes/polynomial.js'
import type { Tensor } from './graph.js'
import { at, first } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import type { Resize } from './resize.js'

/** New order of dimensions; `order[i]` is the old dimension at position i. */
function reorder(op: Op, x: Tensor, order: readonly number[]): void {
  op.output(
    order.map((d) => x.axes[d] as Axis),
    order.map((d) => x.zero[d] === true),
  )
  for (const id of op.allOutputs()) op.graph.derive(id, x.id, order)
}

const permute: Relate = (op) => {
  const x = op.input('self')
  const dims = op.ints('dims')
  if (!dims) return op.freeze('dimensions not constant')
  reorder(
    op,
    x,
    dims.map((d) => op.dim(d, x.shape.length)),
  )
}

/** Two dimensions change places; `t` and `mT` name none. */
const transpose: Relate = (op) => {
  const x = op.input('self')
  const rank = x.shape.length
  const order = x.shape.map((_, d) => d)
  const a = op.dim(op.int('dim0', op.int('axis0', -2)), rank)
  const b = op.dim(op.int('dim1', op.int('axis1', -1)), rank)
  if (rank > 1) [order[a], order[b]] = [b, a]
  reorder(op, x, order)
}

const reverse: Relate = (op) => {
  const x = op.input('self')
  reorder(op, x, x.shape.map((_, d) => d).reverse())
}

/** `movedim(source, destination)`: the others keep their order. */
const move: Relate = (op) => {
  const x = op.input('self')
  const rank = x.shape.length
  const [from, to] = ['source', 'destination'].map((name) => op.ints(name)?.map((d) => op.dim(d, rank)))
  if (!from || !to) return op.freeze('dimensions not constant')
  const others = x.shape.map((_, d) => d).filter((d) => !from.includes(d))
  const order = x.shape.map((_, d) => (to.includes(d) ? (from[to.indexOf(d)] as number) : (others.shift() as number)))
  reorder(op, x, order)
}

const squeeze: Relate = (op) => {
  const x = op.input('self')
  const dims = op.ints('dim')?.map((d) => op.dim(d, x.shape.length)) ?? x.shape.map((_, d) => d)
  const kept = x.shape.map((_, d) => d).filter((d) => !(dims.includes(d) && x.shape[d] === 1))
  reorder(op, x, kept)
}

const unsqueeze: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dim', 0), x.shape.length + 1)
  op.output(
    [...x.axes.slice(0, at), fixedAxis(1), ...x.axes.slice(at)],
    [...x.zero.slice(0, at), false, ...x.zero.slice(at)],
  )
}

const permutedLengths: LengthRule = (op) => {
  const x = first(op)
  return op.ints('dims')?.map((d) => x?.lengths[at(d, x.sizes.length)])
}

const transposedLengths: LengthRule = (op) => {
  const x = first(op)
  if (!x) return undefined
  const rank = x.sizes.length
  const lengths: Length[] = [...x.lengths]
  const a = at(op.int('dim0') ?? op.int('axis0') ?? -2, rank)
  const b = at(op.int('dim1') ?? op.int('axis1') ?? -1, rank)
  if (rank > 1) [lengths[a], lengths[b]] = [lengths[b], lengths[a]]
  return lengths
}

const movedLengths: LengthRule = (op) => {
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

const squeezedLengths: LengthRule = (op) => {
  const x = first(op)
  const dims = op.ints('dim')?.map((d) => at(d, x?.sizes.length ?? 0))
  return x?.lengths.filter((_, d) => x.sizes[d] !== 1 || (dims && !dims.includes(d)))
}

const unsqueezedLengths: LengthRule = (op, shape) => {
  const x = first(op)
  const d = at(op.int('dim') ?? 0, shape.length)
  return x && [...x.lengths.slice(0, d), ONE, ...x.lengths.slice(d)]
}

/** A dimension that shrinks to 1 does not vanish with those that were 1 before: these are named. */
const squeezedDims: Resize = (cut, op) => {
  const x = cut.tensorId(op, 'self')
  const value = x === undefined ? undefined : cut.analysis.record.values[x]
  if (x === undefined || value?.kind !== 'tensor') return new Set()
  const { shape } = value
  const arg = op.inputs[cut.position(op, 'dim')]
  const asked = arg === undefined ? undefined : flat(arg).map((id) => cut.scalars.before(id) ?? 0)
  const named = shape.map((_, d) => d).filter((d) => !asked || asked.includes(d) || asked.includes(d - shape.length))
  const now = cut.widths.shape(x)
  const dims = named.filter((d) => shape[d] === 1 || now[d] !== 1)
  if (dims.length < named.length) cut.rewrite(op, `return ${op.name.replace('aten::', 'torch.')}(self, dims)`, { dims })
  return new Set()
}

const ORDER = 'dimensions in another order'

export const orders: Family = [
  ...operators('permute', ORDER, { relate: permute, lengths: permutedLengths, view: true }),
  ...operators('transpose t mT swapaxes swapdims', ORDER, {
    relate: transpose,
    lengths: transposedLengths,
    view: true,
  }),
  ...operators('adjoint', ORDER, { relate: transpose, lengths: transposedLengths }),
  ...operators('numpy_T', ORDER, { relate: reverse, lengths: (op) => first(op)?.lengths.toReversed(), view: true }),
  ...operators('movedim moveaxis', ORDER, { relate: move, lengths: movedLengths, view: true }),
  ...operators('squeeze', 'dimensions of 1 dropped, by name once others are cut to 1', {
    ...{ relate: squeeze, lengths: squeezedLengths, resize: squeezedDims },
    view: true,
  }),
  ...operators('unsqueeze', 'a dimension of 1', { relate: unsqueeze, lengths: unsqueezedLengths, view: true }),
]
