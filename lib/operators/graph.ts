import { Axes, type Axis, equateAxes, fixAxis, fixedAxis, isFixedAxis } from '../axes/axes.js'
import { type Coordinate, Coordinates, FIXED } from '../axes/coordinates.js'
import { MET } from '../axes/met.js'
import type { FreezeReason } from '../axes/reason.js'
import { UnsupportedForm } from '../axes/unsupported.js'
import type { OpEntry, OpRecord, TensorValue, ValueId } from '../record/record.js'
import type { Lengths } from '../sizes/lengths.js'
import { Centred } from './centred.js'
import { type Normalized, normalizedWeights } from './normalized.js'

/** Reason for which the windows of a filter are fixed; nobody expects them to be prunable. */
export const KERNEL = 'kernel window'

/** How the slices of a member are used; tells importance and regularization which of them are weights. */
export type MemberUse =
  /** rows of a convolution, linear or matmul weight: they produce the unit */
  | 'output'
  /** columns of such a weight: they consume the unit */
  | 'input'
  | 'bias'
  | 'norm-weight'
  | 'norm-bias'
  /** slices that a weight norm divides by their own length: cut, never penalised, never zeroed; their scale is */
  | 'direction'
  /** running mean and variance: cut, never penalised, never zeroed */
  | 'statistic'
  | 'other'

/** A tensor value as the rules see it. */
export interface Tensor {
  id: ValueId
  shape: readonly number[]
  /** One for each dimension. */
  axes: readonly Axis[]
  /**
   * For each dimension: slices at removed coordinates hold zeros in the masked model ("zero when dead"). Sums over such
   * an axis stay exact when it is cut.
   */
  zero: readonly boolean[]
}

/** A dimension of a parameter or buffer and what an operator uses it for. */
export interface Use {
  id: ValueId
  dim: number
  use: MemberUse
}

/**
 * What norms and means over a dimension that is cut compute: `exact`, what they did with the removed units at zero; `kept`,
 * the same over what is kept, which costs nothing and is another function.
 */
export type NormsOption = 'exact' | 'kept'

/** An operator that computes over an axis of its input that can be cut. */
export interface Norm {
  op: OpEntry
  /** Its input. */
  value: ValueId
  /** All dimensions over which it computes, ascending. */
  dims: readonly number[]
  /** The one of them that can be cut. */
  dim: number
  /** It goes on as if what is cut were there, at zero; otherwise it computes over what is kept. */
  exact: boolean
}

/** An equality that an operator asked for. */
export interface Relation {
  a: Axis
  b: Axis
  op: OpEntry
}

/** Axes that something fixed; `op` is absent for model outputs and branches. */
export interface Fix {
  axis: Axis
  reason: FreezeReason
  op: OpEntry | undefined
}

/** Everything the rules write to while they walk a record. */
export class Graph {
  readonly coordinates: Coordinates
  /** What is known of whole axes. */
  readonly axes: Axes
  readonly uses = new Map<string, Use>()
  private readonly tensors = new Map<ValueId, Tensor>()
  /** Where a value is a parameter with its dimensions permuted: `weight.t()`. */
  private readonly origins = new Map<ValueId, { id: ValueId; dims: readonly number[] }>()
  private readonly pinnedInput: Coordinate
  private readonly pinnedWindow: Coordinate
  private readonly windows = new Map<number, Axis>()

  readonly record: OpRecord
  private readonly normalized: Normalized
  readonly lengths: Lengths
  private readonly option: NormsOption
  readonly centred: Centred
  /** Every equality the rules asked for, to be checked at the end. */
  readonly relations: Relation[] = []
  readonly fixes: Fix[] = []
  readonly norms: (Norm & { axis: Axis })[] = []
  /** Values that share memory: each view and the value that it is of, and all views of a value. */
  private readonly bases = new Map<ValueId, ValueId>()
  private readonly views = new Map<ValueId, ValueId[]>()
  /** Axes whose atoms were met as a dimension of a parameter. */
  private readonly dimensions = new Set<Axis>()

  constructor(record: OpRecord, lengths: Lengths, norms: NormsOption) {
    this.record = record
    this.lengths = lengths
    this.option = norms
    this.centred = new Centred(record)
    this.coordinates = new Coordinates()
    this.axes = new Axes(this.coordinates)
    this.pinnedInput = this.coordinates.pinned({ kind: 'model input' })
    this.pinnedWindow = this.coordinates.pinned({ kind: KERNEL })
    this.normalized = normalizedWeights(record)
    for (const [id, dims] of this.normalized.directions) for (const dim of dims) this.use(id, dim, 'direction')
    for (const [id, op] of this.normalized.spectral) {
      const reason = { kind: 'spectral norm', operator: op.name, scope: op.scope }
      for (const axis of this.tensor(id).axes) this.fix(axis, reason, op)
    }
  }

  value(id: ValueId): TensorValue | undefined {
    const v = this.record.values[id]
    return v?.kind === 'tensor' ? v : undefined
  }

  has(id: ValueId): boolean {
    return this.tensors.has(id)
  }

  tensor(id: ValueId): Tensor {
    return this.tensors.get(id) ?? this.create(id, {})
  }

  /**
   * The tensor, some dimensions of which `op` ties to axes that there are. A parameter that is met for the first time has
   * these very axes: most weights of a model never get coordinates of their own.
   */
  tied(id: ValueId, axes: Readonly<Record<number, Axis>>, op: OpEntry): Tensor {
    const tensor = this.tensors.get(id) ?? this.create(id, axes, op)
    for (const [dim, axis] of Object.entries(axes)) this.equate(axis, tensor.axes[Number(dim)] as Axis, op)
    return tensor
  }

  /** A dimension of a filter over which it slides. */
  window(size: number): Axis {
    const axis = this.windows.get(size) ?? new Int32Array(size).fill(this.pinnedWindow)
    this.windows.set(size, axis)
    return axis
  }

  private create(id: ValueId, given: Readonly<Record<number, Axis>>, op?: OpEntry): Tensor {
    const value = this.value(id)
    if (!value) throw new UnsupportedForm(`value ${id} of the record is no tensor`)
    const made = { id, shape: value.shape, ...this.source(id, value, given, op) }
    this.tensors.set(id, made)
    return made
  }

  set(id: ValueId, axes: readonly Axis[], zero: readonly boolean[]): void {
    const value = this.value(id)
    if (!value) return
    if (axes.length !== value.shape.length || axes.some((axis, d) => axis.length !== value.shape[d])) {
      throw new UnsupportedForm(`axes [${axes.map((a) => a.length)}] do not fit value ${id} of shape [${value.shape}]`)
    }
    this.tensors.set(id, { id, shape: value.shape, axes, zero })
  }

  equate(a: Axis, b: Axis, op: OpEntry): void {
    if (a === b) return
    equateAxes(this.axes, a, b, { kind: 'tied to a fixed axis', operator: op.name, scope: op.scope })
    this.relations.push({ a, b, op })
  }

  fix(axis: Axis, reason: FreezeReason, op?: OpEntry): void {
    if (isFixedAxis(this.axes, axis)) return
    fixAxis(this.axes, axis, reason)
    this.fixes.push({ axis, reason, op })
  }

  /**
   * Notes that an operator computes over these axes of its input, by dimension.
   *
   * @returns whether it can do so as if what is cut were there: zeros are all that can be put back
   */
  average(op: OpEntry, x: Tensor, over: ReadonlyMap<number, Axis>): boolean {
    const dims = [...over.keys()].sort((a, b) => a - b)
    const zero = dims.every((d) => x.zero[d] || isFixedAxis(this.axes, x.axes[d] as Axis))
    const square = zero || op.name !== 'aten::mean' ? undefined : this.centred.squareOf(x.id, dims)
    const exact = this.option === 'exact' && (zero || square !== undefined)
    for (const [dim, axis] of over) {
      this.norms.push({ op, value: x.id, dims, dim, exact, axis })
      if (exact && square) this.norms.push({ op: square.op, value: square.of, dims, dim, exact, axis })
    }
    return exact
  }

  /** `view` shares the memory of `of`. */
  share(view: ValueId, of: ValueId): void {
    const base = this.bases.get(of) ?? of
    this.bases.set(view, base)
    const known = this.views.get(base)
    if (known) known.push(view)
    else this.views.set(base, [view])
  }

  /** The memory of `id` was overwritten with what is not zero when dead: neither are the values that share it. */
  overwrite(id: ValueId): void {
    const base = this.bases.get(id) ?? id
    for (const each of [base, ...(this.views.get(base) ?? [])]) {
      const tensor = this.tensors.get(each)
      if (tensor) this.tensors.set(each, { ...tensor, zero: tensor.zero.map(() => false) })
    }
    // They need not be overwritten again.
    this.views.delete(base)
  }

  derive(id: ValueId, from: ValueId, dims: readonly number[]): void {
    const origin = this.origins.get(from) ?? this.asOrigin(from)
    if (origin) this.origins.set(id, { id: origin.id, dims: dims.map((d) => origin.dims[d] as number) })
  }

  /** Notes what dimension `dim` of a value serves as, when that value is a parameter or buffer. The first use counts. */
  use(id: ValueId, dim: number, use: MemberUse): void {
    const origin = this.origins.get(id) ?? this.asOrigin(id)
    if (!origin) return
    const own = origin.dims[dim] as number
    const key = `${origin.id}.${own}`
    if (!this.uses.has(key)) this.uses.set(key, { id: origin.id, dim: own, use })
  }

  /** Whether a value is a parameter, perhaps with its dimensions permuted. */
  isParameter(id: ValueId): boolean {
    return (this.origins.get(id) ?? this.asOrigin(id)) !== undefined
  }

  private asOrigin(id: ValueId) {
    const value = this.value(id)
    if (value?.role !== 'parameter' && value?.role !== 'buffer') return undefined
    return { id, dims: value.shape.map((_, d) => d) }
  }

  /** Axes of a tensor that no operator made. */
  private source(id: ValueId, value: TensorValue, given: Readonly<Record<number, Axis>>, op?: OpEntry) {
    const directions = this.normalized.directions.get(id)
    const all = (make: (size: number) => Axis) => value.shape.map((n) => (n === 1 ? fixedAxis(1) : make(n)))
    const own = () => value.shape.map((n, dim) => this.dimension(n, given[dim], op))
    switch (value.role) {
      case 'parameter':
        return { axes: own(), zero: value.shape.map((_, dim) => directions?.has(dim) !== true) }
      case 'buffer':
        return { axes: own(), zero: value.shape.map(() => false) }
      // A constant of the program is sliced where it is read, as a buffer is.
      case 'constant':
        return { axes: all((n) => this.coordinates.fresh(n, 0)), zero: value.shape.map(() => false) }
      case 'input':
        return { axes: all((n) => new Int32Array(n).fill(this.pinnedInput)), zero: value.shape.map(() => false) }
      default:
        return { axes: all(fixedAxis), zero: value.shape.map(() => false) }
    }
  }

  /** A dimension of a parameter or buffer that is met for the first time. */
  private dimension(size: number, given: Axis | undefined, op: OpEntry | undefined): Axis {
    if (size === 1) return fixedAxis(1)
    if (given?.length !== size) return this.coordinates.fresh(size)
    if (op && given.every((c) => c === FIXED)) {
      const reason = { kind: 'tied to a fixed axis', operator: op.name, scope: op.scope }
      return new Int32Array(size).fill(this.coordinates.pinned(reason))
    }
    const axis = this.axes.of(given)
    if (!this.dimensions.has(axis)) {
      this.dimensions.add(axis)
      this.coordinates.meetAtoms(axis, MET.dimension)
    }
    return axis
  }
}
