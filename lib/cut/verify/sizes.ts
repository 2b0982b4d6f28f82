import { scope } from '../../torch/index.js'
import { courseOn } from '../../torch/trial.js'
import type { Subject } from './bench.js'
import { resized, type Sizes, tensorsOf } from './inputs.js'

/** A dimension of one of the tensors among the inputs. */
interface Dimension {
  tensor: number
  dim: number
  size: number
}

/**
 * What is tried instead of a size, in this order: far more first (a table that is longer than the example must be read beyond
 * it), then steps that networks with strides and windows accept, then less.
 */
const LESS: readonly ((size: number) => number)[] = [(n) => n >> 1, (n) => n - 1]
const OTHERS: readonly (readonly ((size: number) => number)[])[] = [
  [(n) => 2 * n, (n) => n + (n >> 1), (n) => n + 32, (n) => n + 8, (n) => n + 1],
  [(n) => n + 1, (n) => n + 2],
  LESS,
]

/** Runs on shapes that are spent on the search at most. */
const MOST_RUNS = 60
/** How many times as large as the example the other inputs may be: of a model that is cheap to run, and of others. */
const GROWTH = { cheap: 8, costly: 1.6 }
const CHEAP_MACS = 1e7

/**
 * Other sizes of the inputs that a model accepts on shapes alone, each time of as many dimensions as it can be: much larger, a
 * little larger, smaller. Dimensions change alone where they can, else together with those of the same size (ids and their mask).
 * Sizes at which the program would enter a branch that a cut closes are none.
 */
export class OtherSizes {
  private runs = 0
  private readonly subject: Subject
  private readonly growth: number

  constructor(subject: Subject) {
    this.subject = subject
    this.growth = subject.plan.macs[0] <= CHEAP_MACS ? GROWTH.cheap : GROWTH.costly
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Sizes> {
    if (!(await this.accepts(new Map()))) return
    for (const others of OTHERS) {
      const sizes = await this.search(others, this.dimensions(others === LESS))
      if (sizes.size > 0) yield sizes
    }
  }

  /** Changes one dimension after the other, as long as the model accepts all changes together. */
  private async search(
    others: readonly ((size: number) => number)[],
    dimensions: readonly Dimension[],
  ): Promise<Sizes> {
    let accepted: Sizes = new Map()
    for (const dimension of dimensions) {
      if (accepted.get(dimension.tensor)?.has(dimension.dim)) continue
      const alike = dimensions.filter(
        ({ tensor, dim, size }) => size === dimension.size && !accepted.get(tensor)?.has(dim),
      )
      const choices = alike.length > 1 ? [[dimension], alike] : [[dimension]]
      const sizes = new Set(others.map((other) => other(dimension.size)))
      sizes.delete(dimension.size)
      sizes.delete(0)
      accepted = (await this.firstAccepted(accepted, choices, sizes)) ?? accepted
    }
    return accepted
  }

  private async firstAccepted(
    accepted: Sizes,
    choices: readonly (readonly Dimension[])[],
    sizes: ReadonlySet<number>,
  ): Promise<Sizes | undefined> {
    for (const choice of choices) {
      for (const size of sizes) {
        const changed = withSizes(accepted, choice, size)
        if (this.isAffordable(changed) && (await this.accepts(changed))) return changed
      }
    }
    return undefined
  }

  /**
   * The batch is told apart elsewhere: a second run of the record was at another one. Several images are not made smaller: a
   * program that takes them for one (`view(-1, …)` of two halves) may broadcast that over the others, and nothing shows.
   */
  private dimensions(less: boolean): Dimension[] {
    const { inputs, recording } = this.subject
    const first = recording.record.secondRun ? 1 : 0
    const isBatch = (shape: readonly number[]) => shape.length > 3 && (shape[0] as number) > 1
    return tensorsOf(inputs).flatMap(({ shape }, tensor) =>
      (less && isBatch(shape) ? [] : shape).flatMap((size, dim) =>
        dim >= first && size > 0 ? [{ tensor, dim, size }] : [],
      ),
    )
  }

  private isAffordable(sizes: Sizes): boolean {
    return tensorsOf(this.subject.inputs).every(({ shape }, tensor) => {
      const changed = [...(sizes.get(tensor) ?? [])]
      return changed.reduce((factor, [dim, size]) => (factor * size) / (shape[dim] as number), 1) <= this.growth
    })
  }

  private async accepts(sizes: Sizes): Promise<boolean> {
    if (this.runs++ >= MOST_RUNS) return false
    const { model, recording, analysis, inputs, options } = this.subject
    const course = await scope(() => courseOn(model, recording, resized(inputs, sizes), options))
    if (course === undefined) return false
    const closed = new Map([...analysis.closed].map(({ node, condition }) => [node, condition]))
    return course.turns.every(([node, way]) => {
      const condition = closed.get(node)
      const value = condition === undefined ? undefined : recording.record.values[condition]
      return value?.kind !== 'bool' || value.value === way
    })
  }
}

function withSizes(sizes: Sizes, dimensions: readonly Dimension[], size: number): Sizes {
  const changed = new Map(sizes)
  for (const { tensor, dim } of dimensions) changed.set(tensor, new Map(changed.get(tensor)).set(dim, size))
  return changed
}
