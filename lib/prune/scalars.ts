import { type Arg, flatArgs, type OpEntry, type OpRecord, type ValueId } from '../graph/index.js'
import type { Widths } from './widths.js'

/**
 * What the numbers that a model computes from shapes become once the shapes change.
 *
 * Scripted models read sizes as ints, traced ones as 0-d tensors; both are followed. A number that comes out of something
 * not listed here, from a number that changes, is unknown.
 */
export class Scalars {
  private readonly changed = new Map<ValueId, number | undefined>()
  private readonly record: OpRecord
  /** Numbers that the program computes. */
  private readonly computed = new Set<ValueId>()

  constructor(record: OpRecord, widths: Widths) {
    this.record = record
    for (const op of record.ops) {
      for (const id of flatArgs(op.outputs)) if (record.values[id]?.kind === 'int') this.computed.add(id)
      this.follow(op, widths)
    }
  }

  /** The number as recorded, 1 and 0 for a flag; undefined when the value is no number. */
  before(id: ValueId): number | undefined {
    const value = this.record.values[id]
    if (!value) return undefined
    if (value.kind === 'tensor') return value.shape.length === 0 && value.data?.length === 1 ? value.data[0] : undefined
    if (typeof value.value === 'boolean') return value.value ? 1 : 0
    return typeof value.value === 'number' ? value.value : undefined
  }

  /** The number after the cut; `'unknown'` when it can't be told. */
  after(id: ValueId): number | undefined | 'unknown' {
    if (!this.changed.has(id)) return this.before(id)
    return this.changed.get(id) ?? 'unknown'
  }

  /** Whether the number differs at another batch size. */
  varies(id: ValueId): boolean {
    return this.record.secondRun?.scalars.has(id) ?? false
  }

  /** Whether the program computes that int, so that another input may make it another. */
  isComputed(id: ValueId): boolean {
    return this.computed.has(id)
  }

  private follow(op: OpEntry, widths: Widths): void {
    if (op.name === 'aten::size' || op.name === 'aten::sym_size') {
      this.readSize(op, widths)
      return
    }
    const output = op.outputs[0]
    if (typeof output !== 'number' || this.before(output) === undefined) return
    const inputs = op.inputs.filter((arg): arg is ValueId => typeof arg === 'number')
    if (!inputs.some((id) => this.changed.has(id))) return
    const values = inputs.map((id) => this.after(id))
    const compute = ARITHMETIC.get(op.name)
    const known = values.every((v) => v !== 'unknown')
    const result = compute && known ? compute(values as (number | undefined)[], this.rounding(op)) : undefined
    if (result !== this.before(output)) this.changed.set(output, result)
  }

  private readSize(op: OpEntry, widths: Widths): void {
    const [self, dim] = op.inputs
    if (typeof self !== 'number') return
    const shape = widths.shape(self)
    const note = (arg: Arg | undefined, d: number) => {
      const size = shape.at(d)
      if (typeof arg === 'number' && size !== undefined && size !== this.before(arg)) this.changed.set(arg, size)
    }
    const out = op.outputs[0]
    if (typeof out === 'object') for (const [d, element] of out.entries()) note(element, d)
    else note(out, typeof dim === 'number' ? (this.before(dim) ?? 0) : 0)
  }

  private rounding(op: OpEntry): string | undefined {
    const arg = op.inputs[op.argNames.indexOf('rounding_mode')]
    const value = typeof arg === 'number' ? this.record.values[arg] : undefined
    return value?.kind === 'string' ? String(value.value) : undefined
  }
}

type Compute = (values: readonly (number | undefined)[], rounding: string | undefined) => number | undefined

const identity: Compute = ([x]) => x
const binary =
  (f: (a: number, b: number) => number): Compute =>
  ([a, b]) =>
    a === undefined || b === undefined ? undefined : f(a, b)
/** `a + alpha * b`; the third operand is alpha, where there is one. */
const scaledBinary =
  (sign: 1 | -1): Compute =>
  ([a, b, alpha]) =>
    a === undefined || b === undefined ? undefined : a + sign * (alpha ?? 1) * b
const compare = (f: (a: number, b: number) => boolean): Compute => binary((a, b) => (f(a, b) ? 1 : 0))
const floorDivide = binary((a, b) => Math.floor(a / b))
const divide: Compute = (values, rounding) => {
  const quotient = binary((a, b) => a / b)(values, rounding)
  if (quotient === undefined || rounding === undefined) return quotient
  return rounding === 'floor' ? Math.floor(quotient) : Math.trunc(quotient)
}

const ARITHMETIC: ReadonlyMap<string, Compute> = new Map<string, Compute>([
  ['prim::NumToTensor', identity],
  ['prim::TupleUnpack', identity],
  ['aten::Int', identity],
  ['aten::IntImplicit', identity],
  ['aten::Float', identity],
  ['aten::FloatImplicit', identity],
  ['aten::ScalarImplicit', identity],
  ['aten::item', identity],
  ['aten::to', identity],
  ['aten::detach', identity],
  ['aten::add', scaledBinary(1)],
  ['aten::sub', scaledBinary(-1)],
  ['aten::mul', binary((a, b) => a * b)],
  ['aten::floordiv', floorDivide],
  ['aten::floor_divide', floorDivide],
  ['aten::__round_to_zero_floordiv', binary((a, b) => Math.trunc(a / b))],
  ['aten::div', divide],
  ['aten::true_divide', divide],
  ['aten::remainder', binary((a, b) => a - Math.floor(a / b) * b)],
  ['aten::neg', ([a]) => (a === undefined ? undefined : -a)],
  ['aten::pow', binary((a, b) => a ** b)],
  ['aten::sqrt', ([a]) => (a === undefined ? undefined : Math.sqrt(a))],
  ['aten::floor', ([a]) => (a === undefined ? undefined : Math.floor(a))],
  ['aten::ceil', ([a]) => (a === undefined ? undefined : Math.ceil(a))],
  ['aten::eq', compare((a, b) => a === b)],
  ['aten::ne', compare((a, b) => a !== b)],
  ['aten::lt', compare((a, b) => a < b)],
  ['aten::le', compare((a, b) => a <= b)],
  ['aten::gt', compare((a, b) => a > b)],
  ['aten::ge', compare((a, b) => a >= b)],
  ['aten::__and__', binary((a, b) => a & b)],
  ['aten::__or__', binary((a, b) => a | b)],
  ['aten::__not__', ([a]) => (a === undefined ? undefined : a === 0 ? 1 : 0)],
  ['aten::Bool', ([a]) => (a === undefined ? undefined : a !== 0 ? 1 : 0)],
  ['prim::min', binary(Math.min)],
  ['prim::max', binary(Math.max)],
])
