import { type Arg, flat, type OpEntry, type OpRecord, type TensorValue, type ValueId } from '../record/record.js'

/** Parameters that the program divides by a number which it computes from themselves. */
export interface Normalized {
  /**
   * By parameter, the dimensions along which each slice is divided by a norm of its own: `g v / |v|`. Such a slice is a
   * direction and is never zeroed, since nothing is defined there; the scale beside it is.
   */
  readonly directions: ReadonlyMap<ValueId, ReadonlySet<number>>
  /** Parameters divided by an estimate of their largest singular value, `uᵀ W v`, and the division. */
  readonly spectral: ReadonlyMap<ValueId, OpEntry>
}

/** A value that is computed from one parameter alone: for each of its dimensions, those of the parameter. */
interface Origin {
  id: ValueId
  dims: readonly (readonly number[])[]
  /** A product with vectors is part of it. */
  product: boolean
}

/** Finds them before any axis is made: whether a parameter's slices are zeroed decides what its users may do. */
export function normalizedWeights(record: OpRecord): Normalized {
  const search = new Search(record)
  for (const op of record.ops) search.visit(op)
  return search
}

class Search implements Normalized {
  readonly directions = new Map<ValueId, Set<number>>()
  readonly spectral = new Map<ValueId, OpEntry>()
  private readonly record: OpRecord
  private readonly origins = new Map<ValueId, Origin>()

  constructor(record: OpRecord) {
    this.record = record
  }

  visit(op: OpEntry): void {
    const name = op.name.replace(/^aten::/, '').replace(/_$/, '')
    if (name === '_weight_norm' || name === '_weight_norm_interface') {
      const own = this.origin(op, 'v')
      const dim = this.number(op, 'dim') ?? 0
      if (own) this.note(own.id, own.dims[dim] ?? [])
    }
    if (DIVISIONS.has(name)) this.divide(op, this.origin(op, 'other'))
    if (name === 'reciprocal' || name === 'rsqrt') this.divide(op, this.origin(op, 'self'))
    const output = op.outputs[0]
    const made = typeof output === 'number' && this.tensor(output) ? this.follow(op, name) : undefined
    if (made) this.origins.set(output as ValueId, made)
  }

  private divide(op: OpEntry, divisor: Origin | undefined): void {
    if (!divisor) return
    if (!divisor.product) this.note(divisor.id, divisor.dims.flat())
    else if (this.origin(op, 'self')?.id === divisor.id) this.spectral.set(divisor.id, op)
  }

  private note(id: ValueId, dims: readonly number[]): void {
    const shape = this.tensor(id)?.shape ?? []
    const wide = dims.filter((d) => (shape[d] ?? 1) > 1)
    if (wide.length > 0) this.directions.set(id, new Set([...(this.directions.get(id) ?? []), ...wide]))
  }

  /** Where the output comes from, for the operators of which norms are made. */
  private follow(op: OpEntry, name: string): Origin | undefined {
    if (name === 'norm_except_dim') {
      const own = this.origin(op, 'v')
      const dim = this.number(op, 'dim') ?? 0
      return own && this.shaped(op, own, (d) => (dim === d ? (own.dims[d] ?? []) : []))
    }
    const products = PRODUCTS[name]
    if (products) {
      const [matrix] = products.flatMap((argument) => this.origin(op, argument) ?? [])
      return matrix && this.shaped(op, { ...matrix, product: true }, () => matrix.dims.flat())
    }
    const own = this.origin(op, 'self') ?? this.origin(op, 'input')
    if (!own) return undefined
    if (name === 'mul') return this.origin(op, 'other')?.id === own.id ? own : undefined
    if (ALIKE.has(name)) return own
    if (REDUCTIONS.has(name)) return this.reduced(op, own)
    return VIEWS.has(name) ? this.viewed(op, own) : undefined
  }

  private reduced(op: OpEntry, own: Origin): Origin | undefined {
    const rank = own.dims.length
    const arg = op.inputs[op.argNames.indexOf('dim')]
    const named = arg === undefined ? [] : flat(arg).flatMap((id) => this.scalar(id) ?? [])
    const gone = new Set(named.length > 0 ? named.map((d) => (d < 0 ? d + rank : d)) : own.dims.keys())
    const kept = own.dims.map((dims, d) => (gone.has(d) ? [] : dims))
    const output = this.tensor(op.outputs[0] as ValueId)
    return { ...own, dims: output?.shape.length === rank ? kept : kept.filter((_, d) => !gone.has(d)) }
  }

  /** Dimensions of input and output in runs of equal product: what one of a run is of, all of it are. */
  private viewed(op: OpEntry, own: Origin): Origin | undefined {
    const input = this.tensor(this.id(op, 'self') ?? this.id(op, 'input') ?? -1)?.shape ?? []
    const order = flat(op.inputs[op.argNames.indexOf('dims')] ?? []).flatMap((id) => this.scalar(id) ?? [])
    if (op.name === 'aten::permute') return { ...own, dims: order.map((d) => own.dims.at(d) ?? []) }
    const all = own.dims.flat()
    const output = this.tensor(op.outputs[0] as ValueId)?.shape ?? []
    let d = 0
    const dims = output.map((size) => {
      while (d < input.length - 1 && input[d] === 1 && size !== 1) d++
      if (size === 1) return []
      return input[d] === size ? (own.dims[d++] ?? []) : all
    })
    return { ...own, dims }
  }

  private shaped(op: OpEntry, own: Origin, dims: (d: number) => readonly number[]): Origin {
    const shape = this.tensor(op.outputs[0] as ValueId)?.shape ?? []
    return { ...own, dims: shape.map((_, d) => dims(d)) }
  }

  private origin(op: OpEntry, argument: string): Origin | undefined {
    const id = this.id(op, argument)
    const value = id === undefined ? undefined : this.tensor(id)
    if (id === undefined || !value) return undefined
    if (value.role === 'parameter') return { id, dims: value.shape.map((_, d) => [d]), product: false }
    return this.origins.get(id)
  }

  private id(op: OpEntry, argument: string): ValueId | undefined {
    const arg: Arg | undefined = op.inputs[op.argNames.indexOf(argument)]
    return typeof arg === 'number' ? arg : undefined
  }

  private tensor(id: ValueId): TensorValue | undefined {
    const value = this.record.values[id]
    return value?.kind === 'tensor' ? value : undefined
  }

  private number(op: OpEntry, argument: string): number | undefined {
    const id = this.id(op, argument)
    return id === undefined ? undefined : this.scalar(id)
  }

  private scalar(id: ValueId): number | undefined {
    const value = this.record.values[id]
    return value?.kind === 'int' ? (value.value as number) : undefined
  }
}

const names = (list: string): ReadonlySet<string> => new Set(list.split(' '))

const DIVISIONS = names('div true_divide divide')
/** The same elements, or functions of each that are zero at zero. */
const ALIKE = names('abs square sqrt pow clone detach contiguous to alias float double')
const REDUCTIONS = names('norm linalg_vector_norm frobenius_norm sum')
const VIEWS = names('view reshape flatten unsqueeze squeeze expand expand_as permute')
/** The operands of which one may be the weight. */
const PRODUCTS: Readonly<Record<string, readonly string[]>> = {
  mv: ['self', 'vec'],
  matmul: ['self', 'other'],
  dot: ['self', 'tensor'],
  vdot: ['self', 'other'],
}
