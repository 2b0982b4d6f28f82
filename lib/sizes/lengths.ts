import {
  type Arg,
  flat,
  type OpEntry,
  type OpRecord,
  type SkippedBlock,
  type TensorValue,
  type ValueId,
} from '../record/record.js'
import { type Dimensions, Numbers, Symbols } from './numbers.js'
import { Polynomial } from './polynomial.js'

const JOINS = new Set(['aten::cat', 'aten::concat', 'aten::concatenate', 'aten::stack'])

/** Lengths of dimensions that are told by what they are tied to, not by what makes them. */
export type Learned = ReadonlyMap<ValueId, ReadonlyMap<number, Polynomial>>

/**
 * How long every dimension of a record is for any input that the model takes, not for the example alone: constants of the
 * program and of its parameters, the sizes of the inputs, and what is computed of them. What is not understood is a size of
 * its own.
 */
export class Lengths implements Dimensions {
  readonly numbers: Numbers
  readonly symbols: Symbols
  private readonly record: OpRecord
  private readonly ruleFor: (op: OpEntry) => LengthRule | undefined
  private readonly shapes = new Map<ValueId, readonly Polynomial[]>()
  private readonly given: ReadonlySet<ValueId>
  /** Lengths of which nothing is known. */
  private readonly open = new Set<Polynomial>()
  /** Dimensions of held tensors that a run may leave of another length than it found them: `id.dim`. */
  private readonly moving = new Set<string>()
  private readonly learned: Learned
  private readonly inRounds: ReadonlyMap<ValueId, ReadonlySet<number>>
  private readonly choices = new Map<ValueId, SkippedBlock[]>()
  /** Values of which it is being asked whether a branch chose them. */
  private readonly asked = new Set<ValueId>()

  /** @param ruleFor the rule of an operator */
  constructor(
    record: OpRecord,
    ruleFor: (op: OpEntry) => LengthRule | undefined,
    learned: Learned = new Map(),
    symbols = new Symbols(),
  ) {
    this.record = record
    this.ruleFor = ruleFor
    this.learned = learned
    this.symbols = symbols
    this.given = givenNumbers(record)
    this.inRounds = madeInRounds(record)
    for (const block of record.skipped) {
      if (block.outcome === 'raises') continue
      for (const { taken, skipped } of block.merges) {
        const other = skipped === undefined ? [] : flat(skipped)
        flat(taken).forEach((id, k) => {
          if (other[k] !== id) this.choices.set(id, [...(this.choices.get(id) ?? []), block])
        })
      }
    }
    // What a run holds is as long for the next one where that follows from its being so for this one.
    let known: number
    do {
      known = this.moving.size
      this.shapes.clear()
      this.numbers = new Numbers(record, this.symbols, this)
      for (const op of record.ops) this.follow(op)
      for (const op of record.ops) if (op.name === 'prim::SetAttr') this.keep(op)
    } while (this.moving.size > known)
  }

  /** Compares what an attribute is set to with what it held. */
  private keep({ inputs: [, written = [], held = []] }: OpEntry): void {
    const [now, before] = [written, held].map((arg) =>
      flat(arg).filter((id) => this.record.values[id]?.kind === 'tensor'),
    ) as [ValueId[], ValueId[]]
    if (now.length === 0) return
    before.forEach((id, k) => {
      const next = now.length === before.length ? this.shape(now[k] as ValueId) : []
      this.shape(id).forEach((length, d) => {
        const same = next.length === this.shape(id).length && next[d]?.same(length)
        if (length.value !== undefined && !same) this.moving.add(`${id}.${d}`)
      })
    })
  }

  /** Lengths of all dimensions of a value. */
  shape(id: ValueId): readonly Polynomial[] {
    const known = this.shapes.get(id)
    if (known) return known
    const value = this.record.values[id]
    const shape = value?.kind === 'tensor' ? this.sourceShape(id, value) : []
    this.shapes.set(id, shape)
    return shape
  }

  length(id: ValueId, dim: number): Polynomial {
    return this.shape(id)[dim] ?? this.own(id, dim)
  }

  /** Whether nothing is known of a length. */
  isOpen(id: ValueId, dim: number): boolean {
    return this.open.has(this.length(id, dim))
  }

  private own(id: ValueId, dim: number): Polynomial {
    const made = this.symbols.of(`length ${id}.${dim}`)
    this.open.add(made)
    return made
  }

  isGiven(id: ValueId): boolean {
    return this.given.has(id)
  }

  isChosen(id: ValueId): boolean {
    const blocks = this.choices.get(id)
    if (blocks === undefined) return false
    // Conditions that hang on one another are taken to differ.
    if (this.asked.has(id)) return true
    this.asked.add(id)
    // A condition that flows out of its own branch was there before it.
    const chosen = blocks.some(({ condition }) => condition !== id && !this.isSettled(condition))
    this.asked.delete(id)
    return chosen
  }

  /** Whether a condition comes out the same for every input. */
  isSettled(condition: ValueId | undefined): boolean {
    return condition !== undefined && this.numbers.isConstant(condition)
  }

  /** The length is a size that is not understood, or the example's where all that it comes from is constant. */
  unknown(op: OpEntry, id: ValueId, dim: number): Polynomial {
    const size = (this.record.values[id] as TensorValue).shape[dim] as number
    const constant = flat(op.inputs).every((each) => {
      const value = this.record.values[each]
      if (value?.kind === 'tensor' && value.shape.length > 0)
        return this.shape(each).every((n) => n.value !== undefined)
      return value?.kind === 'tensor' || value?.kind === 'int' ? this.numbers.isConstant(each) : true
    })
    return constant && op.inputs.length > 0 ? Polynomial.constant(size) : this.own(id, dim)
  }

  private sourceShape(id: ValueId, { role, shape, replaced }: TensorValue): Polynomial[] {
    const stays = role !== undefined && role !== 'input' && !replaced
    const known = this.learned.get(id)
    return shape.map((size, d) =>
      stays && !this.moving.has(`${id}.${d}`) ? Polynomial.constant(size) : (known?.get(d) ?? this.own(id, d)),
    )
  }

  /** The dimension along which an operator joins as many tensors as the input says: one for each round of a loop, a part of a list. */
  private joinedRounds(op: LengthOp): number | undefined {
    const { name, inputs, outputs, literal } = op.entry
    if (!JOINS.has(name) || literal) return undefined
    const parts = inputs[0] ?? []
    const inRounds = () => this.numbers.hasOpenRounds && flat(parts).some((id) => this.inRounds.has(id))
    const rounds = this.numbers.isCounted(parts) || inRounds()
    const made = this.record.values[flat(outputs)[0] ?? -1]
    if (!rounds || made?.kind !== 'tensor') return undefined
    const dim = op.int('dim') ?? 0
    return dim < 0 ? dim + made.shape.length : dim
  }

  /** Any of them may be what is taken, or more of them. */
  private choose(elements: readonly ValueId[]): void {
    const tensors = elements.filter((id) => this.record.values[id]?.kind === 'tensor')
    const lengths = tensors.map((id) => this.shape(id))
    for (const id of tensors) {
      const own = this.shape(id)
      const same = (d: number) => lengths.every((each) => each[d]?.same(own[d] as Polynomial))
      this.shapes.set(
        id,
        own.map((length, d) => (same(d) ? length : this.own(id, d))),
      )
    }
  }

  private follow(op: OpEntry): void {
    this.numbers.follow(op)
    if (this.numbers.isOpenChoice(op)) {
      this.choose(flat(op.inputs[0] ?? []))
      return
    }
    const outputs = flat(op.outputs).filter((id) => this.record.values[id]?.kind === 'tensor')
    if (outputs.every((id) => (this.record.values[id] as TensorValue).shape.length === 0)) return
    const rule = this.ruleFor(op)
    const view = new LengthOp(this, this.record, op)
    const joined = this.joinedRounds(view)
    outputs.forEach((id, k) => {
      const { shape } = this.record.values[id] as TensorValue
      const known = this.learned.get(id)
      const made = rule?.(view, shape, k)
      const fits = made?.length === shape.length
      this.shapes.set(
        id,
        shape.map((size, d) => {
          const length = known?.get(d) ?? (fits ? made[d] : undefined)
          // A constant that the example contradicts was misread.
          const wrong = length?.value !== undefined && length.value !== size
          if (d === joined || (this.numbers.hasOpenRounds && this.inRounds.get(id)?.has(d))) return this.own(id, d)
          return length && !wrong ? length : this.unknown(op, id, d)
        }),
      )
    })
  }
}

/** Numbers that the program does not fix: inputs, state (the training mode, too), buffers that it writes. */
function givenNumbers(record: OpRecord): Set<ValueId> {
  const given = new Set(flat(record.inputs))
  const made = new Set(record.ops.flatMap((op) => flat(op.outputs)))
  record.values.forEach((value, id) => {
    if (value.role === 'state' || (value.kind === 'tensor' && value.role === undefined && !made.has(id))) given.add(id)
  })
  for (const { mutates, inputs } of record.ops) if (mutates) for (const id of flat(inputs[0] ?? [])) given.add(id)
  return given
}

/** Tensors that an operator makes in one round of a loop after the other, with the dimensions that differ from round to round. */
function madeInRounds({ ops, values }: OpRecord): Map<ValueId, Set<number>> {
  const byNode = new Map<number, OpEntry[]>()
  for (const op of ops) {
    const rounds = byNode.get(op.node)
    if (rounds === undefined) byNode.set(op.node, [op])
    else rounds.push(op)
  }
  const sizes = (id: ValueId | undefined) => {
    const value = id === undefined ? undefined : values[id]
    return value?.kind === 'tensor' ? value.shape : []
  }
  const made = new Map<ValueId, Set<number>>()
  for (const rounds of byNode.values()) {
    if (rounds.length === 1) continue
    const outputs = rounds.map((op) => flat(op.outputs))
    const uneven = (outputs[0] ?? []).map(
      (first, k) =>
        new Set(outputs.flatMap((ids) => sizes(ids[k]).flatMap((n, d) => (n === sizes(first)[d] ? [] : [d])))),
    )
    for (const ids of outputs) for (const [k, id] of ids.entries()) made.set(id, uneven[k] ?? new Set())
  }
  return made
}

/** A length, or undefined where it is not understood. */
export type Length = Polynomial | undefined

/** Lengths of output `k`, of shape `shape` in the example. */
export type LengthRule = (op: LengthOp, shape: readonly number[], k: number) => readonly Length[] | undefined

/** One operator of the record, as the rules of lengths see it. */
export class LengthOp {
  private readonly lengths: Lengths
  private readonly record: OpRecord
  readonly entry: OpEntry

  constructor(lengths: Lengths, record: OpRecord, entry: OpEntry) {
    this.lengths = lengths
    this.record = record
    this.entry = entry
  }

  arg(name: string): Arg | undefined {
    return this.entry.inputs[this.entry.argNames.indexOf(name)]
  }

  /** Lengths of a tensor argument; undefined when there is none. */
  tensor(...names: readonly string[]): Sized | undefined {
    for (const name of names) {
      const arg = this.arg(name)
      if (typeof arg === 'number' && this.record.values[arg]?.kind === 'tensor') return this.asTensor(arg)
    }
    return undefined
  }

  /** All tensors among the arguments. */
  tensors(name?: string): Sized[] {
    const ids = flat(name === undefined ? this.entry.inputs : (this.arg(name) ?? []))
    return ids.filter((id) => this.record.values[id]?.kind === 'tensor').map((id) => this.asTensor(id))
  }

  /** A number as recorded. */
  int(name: string): number | undefined {
    const arg = this.arg(name)
    const value = typeof arg === 'number' ? this.record.values[arg] : undefined
    return value?.kind === 'int' && typeof value.value === 'number' ? value.value : undefined
  }

  ints(name: string): number[] | undefined {
    const arg = this.arg(name)
    if (arg === undefined) return undefined
    const all = flat([arg]).map((id) => this.record.values[id])
    const whole = all.flatMap((value) => (value?.kind === 'int' ? [Number(value.value)] : []))
    return whole.length === all.length ? whole : undefined
  }

  flag(name: string): boolean {
    const arg = this.arg(name)
    const value = typeof arg === 'number' ? this.record.values[arg] : undefined
    return value?.kind === 'bool' && value.value === true
  }

  text(name: string): string | undefined {
    const arg = this.arg(name)
    const value = typeof arg === 'number' ? this.record.values[arg] : undefined
    return value?.kind === 'string' ? String(value.value) : undefined
  }

  /** A number, or a list of them, for any input. */
  number(name: string): Polynomial | undefined {
    const arg = this.arg(name)
    const isNumber = typeof arg === 'number' && this.record.values[arg]?.kind !== 'none'
    return isNumber ? this.lengths.numbers.of(arg) : undefined
  }

  numbers(name: string): Polynomial[] | undefined {
    const arg = this.arg(name)
    return typeof arg === 'object' ? flat(arg).map((id) => this.lengths.numbers.of(id)) : undefined
  }

  /** A list of tensors, some of which may be missing. */
  entries(name: string): (Sized | undefined)[] {
    const arg = this.arg(name)
    const isTensor = (id: Arg): id is ValueId => typeof id === 'number' && this.record.values[id]?.kind === 'tensor'
    return typeof arg === 'object' ? arg.map((id) => (isTensor(id) ? this.asTensor(id) : undefined)) : []
  }

  /** Whether all that the operator is told beside its first argument is the same for every input: numbers, and index tensors. */
  isToldConstants(): boolean {
    return flat(this.entry.inputs.slice(1)).every((id) => {
      const value = this.record.values[id]
      const isTensor = value?.kind === 'tensor' && value.shape.length > 0
      if (isTensor) return this.lengths.shape(id).every((length) => length.value !== undefined)
      return value?.kind === 'int' || value?.kind === 'tensor' ? this.lengths.numbers.isConstant(id) : true
    })
  }

  private asTensor(id: ValueId): Sized {
    const { shape, dtype } = this.record.values[id] as TensorValue
    return { sizes: shape, lengths: this.lengths.shape(id), isMask: dtype === 'bool' }
  }
}

/** A tensor argument, as the rules of lengths see it. */
export interface Sized {
  /** In the example. */
  sizes: readonly number[]
  lengths: readonly Polynomial[]
  isMask?: boolean
}
