import { type Arg, CHOICE, flat, type OpEntry, type OpRecord, type ValueId } from '../record/record.js'
import { ONE, Polynomial } from './polynomial.js'

/** Gives what is not understood a name: the same one for the same computation on the same numbers. */
export class Symbols {
  private readonly names = new Map<string, Polynomial>()

  of(text: string): Polynomial {
    const known = this.names.get(text)
    if (known) return known
    const made = Polynomial.symbol(`s${this.names.size}`)
    this.names.set(text, made)
    return made
  }
}

/** A number as recorded, 1 and 0 for a flag; undefined when the value is no single number. */
export function recordedNumber({ values }: OpRecord, id: ValueId): number | undefined {
  const value = values[id]
  if (!value) return undefined
  if (value.kind === 'tensor') return value.shape.length === 0 && value.data?.length === 1 ? value.data[0] : undefined
  if (typeof value.value === 'boolean') return value.value ? 1 : 0
  return typeof value.value === 'number' ? value.value : undefined
}

/** What the program keeps for its next run: it may be of another kind then. */
export function keptValues({ ops, values }: OpRecord): ReadonlySet<ValueId> {
  const set = ops.flatMap((op) => (op.name === 'prim::SetAttr' ? flat(op.inputs[2] ?? []) : []))
  const replaced = [...values.keys()].filter((id) => (values[id] as { replaced?: true }).replaced)
  return new Set([...set, ...replaced])
}

/** What a {@link Numbers} is told of the tensors. */
export interface Dimensions {
  /** Length of a dimension of a tensor. */
  length(id: ValueId, dim: number): Polynomial
  /** Whether a number that no operator makes may be another one for another input. */
  isGiven(id: ValueId): boolean
  /** Whether a branch on sizes or data chose it. */
  isChosen(id: ValueId): boolean
}

/**
 * Every number of a record as a polynomial over the sizes of the inputs. Scripted models read sizes as ints, traced ones
 * as 0-d tensors; both are followed.
 */
export class Numbers {
  private readonly record: OpRecord
  private readonly symbols: Symbols
  private readonly dimensions: Dimensions
  private readonly made = new Map<ValueId, Polynomial>()
  private readonly kept: ReadonlySet<ValueId>
  private openRounds = false
  /** Strings, and the like, that are made of what the program does not fix. */
  private readonly open = new Set<ValueId>()
  /** Elements of lists of which the input says how many there are, or which they are. */
  private readonly counted = new Set<ValueId>()

  constructor(record: OpRecord, symbols: Symbols, dimensions: Dimensions) {
    this.record = record
    this.kept = keptValues(record)
    this.symbols = symbols
    this.dimensions = dimensions
  }

  of(id: ValueId): Polynomial {
    const known = this.made.get(id)
    if (known) return known
    const recorded = recordedNumber(this.record, id)
    const given = recorded === undefined || this.dimensions.isGiven(id)
    const made = given ? this.symbols.of(`value ${id}`) : this.chosen(Polynomial.constant(recorded), id)
    this.made.set(id, made)
    return made
  }

  /** Whether the number is the same for every input. */
  isConstant(id: ValueId): boolean {
    return this.of(id).value !== undefined
  }

  /** Whether a loop so far goes as many rounds as the input says. */
  get hasOpenRounds(): boolean {
    return this.openRounds
  }

  /** Whether the input says how many elements a list has. */
  isCounted(list: Arg): boolean {
    return typeof list === 'object' && flat(list).some((id) => this.counted.has(id))
  }

  /** Whether the input says which elements a program takes out of a list. */
  isOpenChoice({ name, inputs: [, ...numbers] }: OpEntry): boolean {
    const isPlain = (id: ValueId) => (this.isText(id) ? !this.isOpen(id) : this.isConstant(id))
    return name === CHOICE && !flat(numbers).every(isPlain)
  }

  /** Takes note of the numbers that an operator gives. */
  follow(op: OpEntry): void {
    if (this.isOpenChoice(op)) this.choose(flat(op.inputs[0] as Arg))
    else if (PARTS.has(op.name)) this.part(op)
    if (op.name === 'prim::Loop' && !this.hasFixedRounds(op)) this.openRounds = true
    if (op.name === 'aten::size' || op.name === 'aten::sym_size') this.readSize(op)
    else
      for (const id of flat(op.outputs)) {
        if (this.isNumber(id)) this.note(id, this.compute(op, id))
        else if (this.isText(id) && flat(op.inputs).some((each) => this.isOpen(each))) this.open.add(id)
      }
  }

  private choose(elements: readonly ValueId[]): void {
    const keys = elements.map((id) => (this.isNumber(id) ? this.of(id).key : id))
    for (const id of elements) {
      this.counted.add(id)
      if (this.isNumber(id)) this.made.set(id, this.symbols.of(`chosen ${id} of ${keys.join(', ')}`))
    }
  }

  /** A tensor taken apart into a list of as many as it is long. */
  private part({ name, inputs: [self, by, along], outputs: [list] }: OpEntry): void {
    const value = typeof self === 'number' ? this.record.values[self] : undefined
    if (typeof self !== 'number' || value?.kind !== 'tensor' || typeof list !== 'object' || typeof by !== 'number')
      return
    const dim = name === 'aten::unbind' ? by : along
    const d = typeof dim === 'number' ? (recordedNumber(this.record, dim) ?? 0) : 0
    const length = this.dimensions.length(self, d < 0 ? d + value.shape.length : d)
    const fixed = length.value !== undefined && (name === 'aten::unbind' || this.isConstant(by))
    if (!fixed) for (const id of flat(list)) this.counted.add(id)
  }

  private note(id: ValueId, made: Polynomial): void {
    this.made.set(id, this.chosen(made.isSimple ? made : this.symbols.of(made.key), id))
  }

  private chosen(made: Polynomial, id: ValueId): Polynomial {
    return this.dimensions.isChosen(id) ? this.symbols.of(`choice ${id} ${made.key}`) : made
  }

  private isNumber(id: ValueId): boolean {
    const value = this.record.values[id]
    if (value?.kind === 'tensor') return value.shape.length === 0
    return value?.kind === 'int' || value?.kind === 'float' || value?.kind === 'bool'
  }

  private isText(id: ValueId): boolean {
    return this.record.values[id]?.kind === 'string'
  }

  /** Whether another run may find something else here. */
  private isOpen(id: ValueId): boolean {
    if (this.isText(id)) return this.open.has(id) || this.dimensions.isGiven(id)
    return this.isNumber(id) && !this.isConstant(id)
  }

  private isWhole(id: ValueId): boolean {
    const value = this.record.values[id]
    return value?.kind === 'tensor' ? value.dtype.includes('int') : value?.kind === 'int'
  }

  private readSize({ inputs: [self, dim], outputs: [out] }: OpEntry): void {
    const value = typeof self === 'number' ? this.record.values[self] : undefined
    if (typeof self !== 'number' || value?.kind !== 'tensor') return
    const note = (arg: Arg | undefined, d: number) => {
      const own = d < 0 ? d + value.shape.length : d
      if (typeof arg === 'number' && own in value.shape) this.note(arg, this.dimensions.length(self, own))
    }
    if (typeof out === 'object') out.forEach(note)
    else note(out, typeof dim === 'number' ? (recordedNumber(this.record, dim) ?? 0) : 0)
  }

  private compute(op: OpEntry, id: ValueId): Polynomial {
    const recorded = recordedNumber(this.record, id)
    const ids = flat(op.inputs)
    const numeric = ids.filter((each) => this.isNumber(each))
    const args = numeric.map((each) => this.of(each))
    const unknown = () => this.symbols.of(`value ${id} (${args.map(({ key }) => key).join(', ')})`)
    const asRecorded = () => (recorded === undefined ? unknown() : Polynomial.constant(recorded))
    if (op.name === 'prim::Loop') {
      if (!this.hasFixedRounds(op)) return unknown()
      const from = this.carried(op, id, 2)
      return from === undefined ? asRecorded() : this.of(from)
    }
    if (MOVES.has(op.name)) return this.of(this.carried(op, id, 0) ?? id)
    if (KINDS_ONLY.has(op.name)) return ids.some((each) => this.mayBeMissing(op, each)) ? unknown() : asRecorded()
    const [self] = op.inputs
    const tensor = typeof self === 'number' ? this.record.values[self] : undefined
    if (COUNTS.has(op.name)) {
      if (tensor?.kind !== 'tensor') {
        const isFixed =
          typeof self === 'object' && !this.openRounds && !this.isCounted(self) && !this.dimensions.isGiven(id)
        return isFixed ? asRecorded() : unknown()
      }
      const lengths = tensor.shape.map((_, d) => this.dimensions.length(self as ValueId, d))
      return op.name === 'aten::len' ? (lengths[0] ?? unknown()) : lengths.reduce((a, b) => a.times(b), ONE)
    }
    const data = ids.some((each) => this.record.values[each]?.kind === 'tensor' && !this.isNumber(each))
    if (ids.length === 0 || data || ids.some((each) => this.isText(each) && this.isOpen(each))) return unknown()
    const values = args.map((each) => each.value)
    const unchanged = values.every(
      (n, k) => n !== undefined && n === recordedNumber(this.record, numeric[k] as ValueId),
    )
    if (unchanged) return asRecorded()
    if (!op.inputs.every((arg) => typeof arg === 'number')) return unknown()
    const rounding = this.rounding(op)
    // A fraction loses its part after the point where a whole number is made of it.
    const truncates = this.isWhole(id) && !this.isWhole(numeric[0] as ValueId)
    const made = truncates ? undefined : ALGEBRA.get(op.name)?.(args, rounding)
    if (made) return made
    if (values.every((n) => n !== undefined)) {
      const n = ARITHMETIC.get(op.name)?.(values, rounding)
      if (n !== undefined && Number.isFinite(n)) return Polynomial.constant(n)
    }
    return this.symbols.of(`${op.name} ${rounding ?? ''}(${args.map(({ key }) => key).join(', ')})`)
  }

  /** Whether a loop comes to this round, or to its end, for every input. */
  private hasFixedRounds({ inputs: [count, condition] }: OpEntry): boolean {
    return [count, condition].every((each) => typeof each === 'number' && this.isConstant(each))
  }

  /** Whether another input of the same kind may bring another kind of value there. */
  private mayBeMissing({ name }: OpEntry, id: ValueId): boolean {
    return this.kept.has(id) || (name.startsWith('aten::__is') && this.dimensions.isChosen(id))
  }

  /** What a loop carries into a round, or a branch has written to a list, is what it was before; not so the index of a round. */
  private carried(op: OpEntry, id: ValueId, first: number): ValueId | undefined {
    const [from, to] = [flat(op.inputs), flat(op.outputs)]
    const k = from.length - to.length + to.indexOf(id)
    return k < first ? undefined : from[k]
  }

  private rounding(op: OpEntry): string | undefined {
    const arg = op.inputs[op.argNames.indexOf('rounding_mode')]
    const value = typeof arg === 'number' ? this.record.values[arg] : undefined
    return value?.kind === 'string' ? String(value.value) : undefined
  }
}

/** What gives on the numbers that it takes, one for one: a branch, and what writes to a list. */
export const MOVES: ReadonlySet<string> = new Set(
  'prim::If aten::append aten::insert aten::extend aten::_set_item aten::pop aten::clear aten::Delete aten::reverse'.split(
    ' ',
  ),
)

/** Operators that read nothing but the kind of a tensor: another input of the same kind gives the same. */
const KINDS_ONLY = new Set(
  (
    'aten::dim aten::ndimension aten::__is__ aten::__isnot__ aten::is_floating_point aten::is_complex prim::dtype ' +
    'prim::device prim::layout prim::is_nested prim::is_cuda'
  ).split(' '),
)

/** They give a list of parts, as many as the sizes say. */
const PARTS = new Set(['aten::unbind', 'aten::split', 'aten::unsafe_split', 'aten::chunk', 'aten::unsafe_chunk'])

const COUNTS = new Set(['aten::len', 'aten::numel', 'aten::sym_numel'])

type Algebra = (args: readonly Polynomial[], rounding: string | undefined) => Polynomial | undefined

const identity: Algebra = ([x]) => x
const quotient: Algebra = ([a, b]) => (a && b ? a.over(b) : undefined)
/** `a + alpha * b`; the third operand is alpha, where there is one. */
const sum =
  (sign: 1 | -1): Algebra =>
  ([a, b, alpha]) =>
    a && b ? a.plus(alpha ? alpha.times(b) : b, sign) : undefined
/** Of a number and itself. */
const itself =
  (result: 0 | 1): Algebra =>
  ([a, b]) =>
    a && b?.same(a) ? Polynomial.constant(result) : undefined

/** What is the same polynomial for every input. */
const ALGEBRA: ReadonlyMap<string, Algebra> = new Map<string, Algebra>([
  ...(
    'prim::NumToTensor prim::TupleUnpack aten::Int aten::IntImplicit aten::Float aten::FloatImplicit ' +
    'aten::ScalarImplicit aten::item aten::to aten::detach aten::clone'
  )
    .split(' ')
    .map((name): [string, Algebra] => [name, identity]),
  ['aten::add', sum(1)],
  ['aten::sub', sum(-1)],
  ['aten::mul', ([a, b]) => (a && b ? a.times(b) : undefined)],
  ['aten::neg', ([a]) => a?.scaled(-1, 1)],
  ['aten::floordiv', quotient],
  ['aten::floor_divide', quotient],
  ['aten::__round_to_zero_floordiv', quotient],
  ['aten::div', quotient],
  ['aten::true_divide', quotient],
  ['aten::eq', itself(1)],
  ['aten::le', itself(1)],
  ['aten::ge', itself(1)],
  ['aten::ne', itself(0)],
  ['aten::lt', itself(0)],
  ['aten::gt', itself(0)],
])

type Compute = (values: readonly number[], rounding: string | undefined) => number | undefined

const binary =
  (f: (a: number, b: number) => number): Compute =>
  ([a, b]) =>
    a === undefined || b === undefined ? undefined : f(a, b)
const unary =
  (f: (a: number) => number): Compute =>
  ([a]) =>
    a === undefined ? undefined : f(a)
const compare = (f: (a: number, b: number) => boolean): Compute => binary((a, b) => (f(a, b) ? 1 : 0))
const floorDivide = binary((a, b) => Math.floor(a / b))
const divide: Compute = (values, rounding) => {
  const whole = binary((a, b) => a / b)(values, rounding)
  if (whole === undefined || rounding === undefined) return whole
  return rounding === 'floor' ? Math.floor(whole) : Math.trunc(whole)
}

/** What is computed of constants alone. */
const ARITHMETIC: ReadonlyMap<string, Compute> = new Map<string, Compute>([
  ['aten::floordiv', floorDivide],
  ['aten::floor_divide', floorDivide],
  ['aten::__round_to_zero_floordiv', binary((a, b) => Math.trunc(a / b))],
  ['aten::div', divide],
  ['aten::true_divide', divide],
  ['aten::remainder', binary((a, b) => a - Math.floor(a / b) * b)],
  ['aten::pow', binary((a, b) => a ** b)],
  ['aten::sqrt', unary(Math.sqrt)],
  ['aten::floor', unary(Math.floor)],
  ['aten::ceil', unary(Math.ceil)],
  ['aten::eq', compare((a, b) => a === b)],
  ['aten::ne', compare((a, b) => a !== b)],
  ['aten::lt', compare((a, b) => a < b)],
  ['aten::le', compare((a, b) => a <= b)],
  ['aten::gt', compare((a, b) => a > b)],
  ['aten::ge', compare((a, b) => a >= b)],
  ['aten::__and__', binary((a, b) => a & b)],
  ['aten::__or__', binary((a, b) => a | b)],
  ['aten::__not__', unary((a) => (a === 0 ? 1 : 0))],
  ['aten::Int', unary(Math.trunc)],
  ['aten::Bool', unary((a) => (a === 0 ? 0 : 1))],
  ['prim::min', binary(Math.min)],
  ['prim::max', binary(Math.max)],
])
