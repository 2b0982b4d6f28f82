import type { Axis } from '../axes/axes.js'
import type { Tensor } from './graph.js'
import { sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'

/** Places are named by number along that dimension: it keeps its numbering. */
const BY_INDEX = 'rows by index'

/** `index_add`, `index_copy`, `index_reduce`, `index_fill`: whole slices along `dim`, at the places of a vector. */
const slices: Relate = (op) => {
  const x = op.input('self')
  const source = op.tensor('source')
  const at = op.dim(op.int('dim', 0), x.axes.length)
  for (const axis of op.input('index').axes) op.fix(axis, BY_INDEX)
  for (const t of source ? [x, source] : [x]) if (t.axes[at]) op.fix(t.axes[at] as Axis, BY_INDEX)
  // A single slice may come without that dimension.
  const dimIn = (d: number) => (source?.axes.length === x.axes.length || d < at ? d : d - 1)
  const zero = x.axes.map((axis, d) => {
    if (d === at) return false
    if (!source) return x.zero[d] === true && op.number('value') === 0
    op.equate(axis, source.axes[dimIn(d)] as Axis)
    return x.zero[d] === true && source.zero[dimIn(d)] === true
  })
  op.output(x.axes, zero)
}

/** `scatter`, `scatter_add`, `scatter_reduce`: element by element along `dim`; the others run along with the index. */
const elements: Relate = (op) => {
  const x = op.input('self')
  const index = op.input('index')
  const source = op.tensor('src')
  const at = op.dim(op.int('dim', 0), x.axes.length)
  const all = source ? [x, index, source] : [x, index]
  const zero = x.axes.map((axis, d) => {
    const alike = d !== at && all.every((t) => t.axes[d]?.length === axis.length)
    if (alike) for (const t of all) op.equate(axis, t.axes[d] as Axis)
    // Where the index is shorter it is a corner of the tensor that is written.
    else for (const t of all) if (t.axes[d]) op.fix(t.axes[d] as Axis, BY_INDEX)
    return alike && x.zero[d] === true && (source ? source.zero[d] === true : op.number('value') === 0)
  })
  op.output(x.axes, zero)
}

/** Where the dimensions of what `x[indices]` gives come from. */
interface Places {
  /** Dimensions of `x`, in the order in which they stand in the result; the run of index dimensions is -1. */
  order: readonly number[]
  /** Dimensions of `x` that an index or a mask takes. */
  taken: readonly number[]
}

/** Indices stand in a row for dimensions of `x`; a mask for as many as it has. Those that are apart come first. */
function placesOf(op: Op, x: Tensor, given: readonly (Tensor | undefined)[]): Places {
  const taken: number[] = []
  let next = 0
  let rank = 0
  for (const t of given) {
    const mask = t !== undefined && ['bool', 'uint8'].includes(op.graph.value(t.id)?.dtype ?? '')
    const wide = mask ? t.axes.length : 1
    if (t) for (let k = 0; k < wide; k++) taken.push(next + k)
    if (t) rank = Math.max(rank, mask ? 1 : t.axes.length)
    next += wide
  }
  const rest = x.axes.map((_, d) => d).filter((d) => !taken.includes(d))
  const first = taken[0] ?? 0
  const together = taken.every((d, k) => d === first + k)
  const before = together ? rest.filter((d) => d < first) : []
  const after = rest.filter((d) => !before.includes(d))
  return { order: [...before, ...Array<number>(rank).fill(-1), ...after], taken }
}

/** `x[:, index] = values`: the dimensions with an index stay whole, the values are broadcast to the others. */
const put: Relate = (op) => {
  const x = op.input('self')
  const values = op.input('values')
  const arg = op.arg('indices')
  const given = (Array.isArray(arg) ? arg : []).map((id) =>
    typeof id === 'number' && op.graph.value(id) ? op.graph.tensor(id) : undefined,
  )
  const { order, taken } = placesOf(op, x, given)
  for (const t of given) for (const axis of t?.axes ?? []) op.fix(axis, 'index')
  for (const d of taken) op.fix(x.axes[d] as Axis, BY_INDEX)
  const zero = x.zero.map(() => false)
  values.axes.forEach((axis, k) => {
    const d = order[k + order.length - values.axes.length] ?? -1
    const own = x.axes[d]
    if (own?.length === axis.length) {
      op.equate(own, axis)
      zero[d] = x.zero[d] === true && values.zero[k] === true
    } else op.fix(axis, 'index')
  })
  op.output(x.axes, zero)
}

const OTHERS = 'other dimensions; the one that an index writes to stays'

/** Operators that write where an index says. What they name by number stays whole; the other dimensions pass. */
export const scatters: Family = [
  ...operators('index_add index_copy index_fill', OTHERS, { relate: slices, lengths: sameLengths }),
  ...operators('index_reduce', OTHERS, { relate: slices }),
  ...operators('scatter scatter_add', OTHERS, { relate: elements, lengths: sameLengths }),
  ...operators('scatter_reduce', OTHERS, { relate: elements }),
  ...operators('index_put', OTHERS, { relate: put, lengths: sameLengths }),
  ...operators('_index_put_impl _unsafe_index_put', OTHERS, { relate: put }),
]
