import { flatArgs, type OpEntry, type OpRecord, type ValueId } from '../groups/index.js'
import type { Widths } from '../groups/widths.js'
import { MOVES, Numbers, recordedNumber } from '../sizes/numbers.js'
import type { Polynomial } from '../sizes/polynomial.js'

/** A size that the program reads of a tensor which is cut: times `multiply` over `divide` it is what it was. */
export interface Entry {
  node: number
  /** Which element, of a list of `size` sizes. */
  element?: number
  size?: number
  multiply: number
  divide: number
}

/** The numbers that a model computes from shapes, for any input: as they were, and once the shapes change. */
export class Scalars {
  private readonly record: OpRecord
  private readonly widths: Widths
  private readonly cut: Numbers
  private readonly madeBy = new Map<ValueId, OpEntry>()

  constructor(record: OpRecord, widths: Widths) {
    this.record = record
    this.widths = widths
    const { lengths } = widths.analysis
    this.cut = new Numbers(record, lengths.symbols, {
      length: (id, dim) => widths.length(id, dim),
      isGiven: (id) => lengths.isGiven(id),
      isChosen: (id) => lengths.isChosen(id),
    })
    for (const op of record.ops) {
      for (const id of flatArgs(op.outputs)) this.madeBy.set(id, op)
      this.cut.follow(op)
    }
  }

  /** The number as recorded, 1 and 0 for a flag; undefined when the value is no number. */
  before(id: ValueId): number | undefined {
    return recordedNumber(this.record, id)
  }

  /** The number in the original, for any input. */
  was(id: ValueId): Polynomial {
    return this.widths.analysis.lengths.numbers.of(id)
  }

  /** The number in the cut model, for any input. */
  now(id: ValueId): Polynomial {
    return this.cut.of(id)
  }

  changes(id: ValueId): boolean {
    return !this.now(id).same(this.was(id))
  }

  /** Whether the program computes it. */
  isComputed(id: ValueId): boolean {
    return this.madeBy.has(id)
  }

  /** A number that changes among those that a value is computed of; another cut may change the value, too. */
  changedSource(id: ValueId, seen = new Set<ValueId>()): ValueId | undefined {
    if (seen.has(id)) return undefined
    seen.add(id)
    if (this.changes(id)) return id
    for (const each of flatArgs(this.madeBy.get(id)?.inputs ?? [])) {
      const found = this.before(each) === undefined ? undefined : this.changedSource(each, seen)
      if (found !== undefined) return found
    }
    return undefined
  }

  /**
   * The sizes of cut tensors that a number comes from; with these put back it is what it was for every input. Undefined
   * where some are not within reach: behind a branch, a loop, or an operator that looks into data.
   */
  entries(id: ValueId): Entry[] | undefined {
    const found = new Map<string, Entry>()
    return this.reach(id, found, new Set()) ? [...found.values()] : undefined
  }

  private reach(id: ValueId, found: Map<string, Entry>, seen: Set<ValueId>): boolean {
    if (seen.has(id) || !this.changes(id)) return true
    seen.add(id)
    const op = this.madeBy.get(id)
    if (!op || op.name === 'prim::Loop' || MOVES.has(op.name) || this.widths.analysis.lengths.isChosen(id)) return false
    const entry = this.entryOf(op, id)
    if (entry) found.set(`${entry.node}.${entry.element ?? ''}`, entry)
    return entry !== undefined || flatArgs(op.inputs).every((each) => this.reach(each, found, seen))
  }

  private entryOf(op: OpEntry, id: ValueId): Entry | undefined {
    const [self] = op.inputs
    if (typeof self !== 'number' || this.record.values[self]?.kind !== 'tensor') return undefined
    if (!READS.has(op.name)) return undefined
    const ratio = ratioOf(this.now(id), this.was(id))
    const list = op.outputs[0]
    const element = typeof list === 'object' ? { element: list.indexOf(id), size: list.length } : {}
    return ratio && { node: op.node, ...element, ...ratio }
  }
}

const READS = new Set(['aten::size', 'aten::sym_size', 'aten::len', 'aten::numel', 'aten::sym_numel'])

/** What surgery takes: 32 bits. */
const LARGEST = 2 ** 31 - 1

/** `multiply` and `divide` that make `to` of `from` for every input; undefined when there are none. */
export function ratioOf(from: Polynomial, to: Polynomial): { multiply: number; divide: number } | undefined {
  const divisor = gcd(to.content, from.content)
  if (divisor === 0 || from.content === 0) return undefined
  const [multiply, divide] = [to.content / divisor, from.content / divisor]
  if (Math.max(multiply, divide) > LARGEST) return undefined
  return from.scaled(multiply, divide)?.same(to) ? { multiply, divide } : undefined
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
