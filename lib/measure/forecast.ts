import { volume } from '../base/numbers.js'
import { type Analysis, flatArgs, type OpEntry, type OpRecord, type Removed } from '../groups/index.js'
import { unitCount, unitOffsets, Widths } from '../groups/widths.js'
import { executed, operatorSizes } from './count.js'

/**
 * What was measured of a model's operators on this machine, as plain data: enough to foretell the time of a forward pass once units
 * are gone.
 */
export interface Timings {
  /** Milliseconds of a forward pass of the whole model. */
  whole: number
  /** Milliseconds of an operator, by its name and the shapes of what it reads and gives. */
  operators: Readonly<Record<string, number>>
  /** Cuts at whose widths operators were measured, the whole model among them: units by group. */
  samples: readonly (readonly { group: number; units: readonly number[] }[])[]
  /** What the sum of the operators is multiplied by: a forward pass that was measured, over its sum. */
  scale: number
}

type ShapeOf = (id: number) => readonly number[]

/** An operator by its name and the shapes of what it reads and gives: where these are the same, so is the time it takes. */
export function keyOf(record: OpRecord, op: OpEntry, shapeOf: ShapeOf): string {
  const tensors = [...op.inputs, ...op.outputs]
    .flatMap((arg) => flatArgs(arg))
    .flatMap((id) => {
      const value = record.values[id]
      return value?.kind === 'tensor' ? [`${value.dtype}[${shapeOf(id).join()}]`] : []
    })
  return `${op.name.replace(/_$/, '')}(${tensors.join()})`
}

/** A width that kernels like is a multiple of this. */
export const LANES = 8

interface Point {
  work: number
  /** Whether all that shrank is a multiple of {@link LANES}. */
  even: boolean
  ms: number
}

/** Foretells the time of a forward pass once units are gone. */
export class Forecast {
  readonly #analysis: Analysis
  readonly #timings: Timings
  readonly #points: Point[][]

  constructor(analysis: Analysis, timings: Timings) {
    this.#analysis = analysis
    this.#timings = timings
    const { operators, samples } = timings
    const points: Point[][] = []
    for (const units of samples) {
      this.#each(removedOf(analysis, units), (at, key, work, even) => {
        points[at] ??= []
        const ms = operators[key]
        if (ms !== undefined && points[at].every((point) => point.work !== work)) points[at].push({ work, even, ms })
      })
    }
    for (const own of points) own?.sort((a, b) => a.work - b.work)
    this.#points = points
  }

  /** Milliseconds of the operators, one after the other, before they are scaled. */
  sum(removed: Removed): number {
    let sum = 0
    this.#each(removed, (at, key, work, even) => {
      sum += this.#timings.operators[key] ?? between(this.#points[at] ?? [], work, even)
    })
    return sum
  }

  /** Milliseconds of a forward pass. */
  of(removed: Removed): number {
    return this.#timings.scale * this.sum(removed)
  }

  #each(removed: Removed, visit: (at: number, key: string, work: number, even: boolean) => void): void {
    const { record } = this.#analysis
    const widths = new Widths(this.#analysis, removed)
    const sizes = operatorSizes(this.#analysis, removed)
    executed(this.#analysis).forEach((op, at) => {
      const ids = [...op.inputs, ...op.outputs].flatMap((arg) => flatArgs(arg))
      let [elements, even] = [0, true]
      for (const id of ids) {
        const value = record.values[id]
        if (value?.kind !== 'tensor') continue
        const shape = widths.shape(id)
        elements += volume(shape)
        even &&= shape.every((size, d) => size === value.shape[d] || size % LANES === 0)
      }
      visit(
        at,
        keyOf(record, op, (id) => widths.shape(id)),
        sizes.get(op)?.macs || elements,
        even,
      )
    })
  }
}

/** On the line between the measured points on both sides: of those that are even, or not, where there are two; else of all. */
function between(points: readonly Point[], work: number, even: boolean): number {
  const alike = points.filter((point) => point.even === even)
  const known = alike.length > 1 ? alike : points
  if (known.length === 0) return 0
  const after = known.findIndex((point) => point.work >= work)
  const right = known[after < 0 ? known.length - 1 : after] as Point
  const left = known[(after < 0 ? known.length - 1 : after) - 1]
  if (left === undefined || left.work === right.work) return right.work > 0 ? (right.ms * work) / right.work : right.ms
  return Math.max(0, left.ms + ((right.ms - left.ms) * (work - left.work)) / (right.work - left.work))
}

function removedOf(analysis: Analysis, units: Timings['samples'][number]): Removed {
  const offsets = unitOffsets(analysis)
  const removed = new Uint8Array(unitCount(analysis))
  for (const { group, units: own } of units) for (const unit of own) removed[(offsets[group] as number) + unit] = 1
  return removed
}
