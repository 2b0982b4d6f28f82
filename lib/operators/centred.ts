import { type Arg, flat, type OpEntry, type OpRecord, type ValueId } from '../record/record.js'

/** Dimensions of a value over which something was taken. */
interface Over {
  of: ValueId
  dims: readonly number[]
}

/**
 * What a program writes out of a norm: `mean(x)`, `d = x - mean(x)`, `d²` and the mean of these. A removed unit gives `-mean(x)` in
 * `d`, which what is left of `d` still tells: its sum is `(N - K) mean(x)`. So the mean of `d²` can be put right where `d²` is
 * made, if nothing else reads that.
 */
export class Centred {
  private readonly record: OpRecord
  private readonly means = new Map<ValueId, Over>()
  private readonly differences = new Map<ValueId, Over>()
  private readonly squares = new Map<ValueId, { op: OpEntry; of: ValueId }>()
  private uses: Map<ValueId, number> | undefined

  constructor(record: OpRecord) {
    this.record = record
  }

  /** `op` gives the mean of `of`, exact after a cut, and keeps its dimensions. */
  mean(op: OpEntry, of: ValueId, dims: readonly number[]): void {
    for (const id of flat(op.outputs)) this.means.set(id, { of, dims: sorted(dims) })
  }

  /** `op` gives `a - b`. */
  difference(op: OpEntry, a: ValueId, b: ValueId): void {
    const mean = this.means.get(b)
    if (mean?.of !== a || op.mutates) return
    for (const id of flat(op.outputs)) this.differences.set(id, mean)
  }

  /** `op` gives the square of `of`. */
  square(op: OpEntry, of: ValueId): void {
    if (!this.differences.has(of) || op.mutates) return
    for (const id of flat(op.outputs)) this.squares.set(id, { op, of })
  }

  /** What made a value, if it is the square of a difference from the mean over these dimensions, and has one reader. */
  squareOf(id: ValueId, dims: readonly number[]): { op: OpEntry; of: ValueId } | undefined {
    const square = this.squares.get(id)
    const over = square && this.differences.get(square.of)?.dims
    return over?.join() === sorted(dims).join() && this.readersOf(id) === 1 ? square : undefined
  }

  private readersOf(id: ValueId): number {
    this.uses ??= this.countUses()
    return this.uses.get(id) ?? 0
  }

  private countUses(): Map<ValueId, number> {
    const uses = new Map<ValueId, number>()
    const count = (args: readonly Arg[]) => {
      for (const each of flat(args)) uses.set(each, (uses.get(each) ?? 0) + 1)
    }
    const { ops, output, skipped } = this.record
    for (const { inputs } of ops) count(inputs)
    count([output])
    for (const { reads, merges } of skipped) {
      count(reads)
      for (const merge of merges) count([merge.taken, ...(merge.skipped === undefined ? [] : [merge.skipped])])
    }
    return uses
  }
}

const sorted = (dims: readonly number[]): number[] => [...dims].sort((a, b) => a - b)
