import { type Axis, fixedAxis } from '../axes/axes.js'
import type { LengthRule } from '../sizes/lengths.js'
import { lastOf } from './lengths.js'
import { type Family, operators, type Relate } from './operator.js'

/** Rows of a table by index: the numbering of the rows is given from outside. */
const embedding: Relate = (op) => {
  const weight = op.input('weight')
  const indices = op.input('indices')
  op.fix(weight.axes[0] as Axis, 'rows by index')
  op.use(weight, 1, 'output')
  op.output([...indices.axes, weight.axes[1] as Axis], [...indices.axes.map(() => false), weight.zero[1] === true])
}

/** Sums, means or maxima of rows of a table; beside them which row went to which bag. */
const embeddingBag: Relate = (op) => {
  const weight = op.input('weight')
  const columns = weight.axes[1] as Axis
  op.fix(weight.axes[0] as Axis, 'rows by index')
  op.use(weight, 1, 'output')
  for (const name of ['indices', 'offsets', 'per_sample_weights']) {
    for (const axis of op.tensor(name)?.axes ?? []) op.fix(axis, 'rows by index')
  }
  op.allOutputs().forEach((_, k) => {
    const shape = op.outputShape(k)
    // The places of the maxima are told for every column.
    const own = shape.map((size, d) => (d === 1 && size === columns.length ? columns : fixedAxis(size)))
    op.output(
      own,
      own.map((_, d) => k === 0 && d === 1 && weight.zero[1] === true),
      k,
    )
  })
}

const embeddingLengths: LengthRule = (op) => [...(op.tensor('indices')?.lengths ?? []), lastOf(op.tensor('weight'), 1)]

export const embeddings: Family = [
  ...operators('embedding', 'features; the rows stay', { relate: embedding, lengths: embeddingLengths }),
  ...operators('embedding_bag _embedding_bag _embedding_bag_forward_only', 'features; the rows stay', {
    relate: embeddingBag,
  }),
]
