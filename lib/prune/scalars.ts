import { flatArgs, type OpRecord, type ValueId } from '../graph/index.js'
import { Numbers, recordedNumber } from '../graph/numbers.js'
import type { Polynomial } from '../graph/polynomial.js'
import type { Widths } from './widths.js'

/** The numbers that a model computes from shapes, for any input: as they were, and once the shapes change. */
export class Scalars {
  private readonly record: OpRecord
  private readonly widths: Widths
  private readonly cut: Numbers
  /** Values that operators make. */
  private readonly computed = new Set<ValueId>()

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
      for (const id of flatArgs(op.outputs)) this.computed.add(id)
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
    return this.computed.has(id)
  }
}

/** `multiply` and `divide` that make `to` of `from` for every input; undefined when there are none. */
export function ratioOf(from: Polynomial, to: Polynomial): { multiply: number; divide: number } | undefined {
  const divisor = gcd(to.content, from.content)
  if (divisor === 0 || from.content === 0) return undefined
  const [multiply, divide] = [to.content / divisor, from.content / divisor]
  return from.scaled(multiply, divide)?.same(to) ? { multiply, divide } : undefined
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
