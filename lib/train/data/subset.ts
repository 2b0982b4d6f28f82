import { createHash } from 'node:crypto'
import { type Description, describes, descriptionOf } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { Random } from '../../base/random.js'
import { count, maybe, number, object, signature } from '../../base/schema/index.js'
import { DATASET, type Dataset } from './dataset.js'
import { allOf, chosenOf, INDICES, rowsAt } from './indices.js'

/** @internal */
export const SUBSET = signature('subset', ['dataset', DATASET], ['indices', INDICES])

/**
 * Some examples of a dataset.
 *
 * @param indices which ones, in this order, each in 0..size - 1; one may be there several times
 * @throws EspalierError ERR_INVALID_ARGUMENT for an index out of range
 * @example
 * ```ts
 * import { subset } from 'espalier'
 * import { data } from './data.js'
 *
 * const few = subset(data.train, [0, 5, 10])
 * console.log(few.size, (await few.batch(Int32Array.of(1))).targets!.data) // 3 BigInt64Array(1) [ 0n ]
 * ```
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  SUBSET.check(dataset, indices)
  mustHaveNumbers('subset', dataset)
  const chosen = chosenOf(indices, dataset.size)
  const some: Dataset = {
    size: chosen.length,
    inputNames: dataset.inputNames,
    batch: (positions, draw) => dataset.batch(rowsAt(chosen, positions), draw),
  }
  return describes(some, (): Description => {
    const hash = createHash('sha256').update(new Uint8Array(chosen.buffer))
    return { name: 'subset', of: descriptionOf(dataset), indices: hash.digest('hex').slice(0, 16) }
  })
}

/** Options of {@link split}. */
export interface SplitOptions {
  /** Part of the examples that is for validation, above 0 and below 1; 0.1 by default. */
  validation?: number | undefined
  /** An integer, 0 or more; 0 by default. The same seed splits as many examples alike, whatever they are. */
  seed?: number | undefined
}

/** @internal */
export const SPLIT = signature(
  'split',
  ['dataset', DATASET],
  ['options', object<SplitOptions>({ validation: maybe(number({ above: 0, below: 1 })), seed: maybe(count(0)) })],
)

/**
 * Splits a dataset at random into one to train on and one to evaluate on: no example is in both, and each is in one of them.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT when one of the two would have no example
 * @example
 * ```ts
 * import { split } from 'espalier'
 * import { data } from './data.js'
 *
 * const { train, validation } = split(data.train, { validation: 0.25, seed: 1 })
 * console.log(train.size, validation.size) // 36 12
 * ```
 */
export function split(dataset: Dataset, options: SplitOptions = {}): { train: Dataset; validation: Dataset } {
  SPLIT.check(dataset, options)
  mustHaveNumbers('split', dataset)
  const { validation = 0.1, seed = 0 } = options
  const { size } = dataset
  const held = Math.round(size * validation)
  if (held === 0 || held === size) {
    const words = `split: of ${size} examples ${held} would be for validation, and ${size - held} to train on`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: "Give another part: 'validation'." })
  }
  const order = new Random(seed).shuffle(allOf(size))
  // Each in the order of the dataset, in which files lie beside each other.
  const [train, rest] = [order.slice(held).sort(), order.slice(0, held).sort()]
  return { train: subset(dataset, train), validation: subset(dataset, rest) }
}

/** Options of {@link shuffle}. */
export interface ShuffleOptions {
  /** An integer, 0 or more; 0 by default. The same seed puts as many examples into the same order, whatever they are. */
  seed?: number | undefined
}

/** @internal */
export const SHUFFLE = signature(
  'shuffle',
  ['dataset', DATASET],
  ['options', object<ShuffleOptions>({ seed: maybe(count(0)) })],
)

/**
 * The examples of a dataset in another order, which stays. A training shuffles them anew for each pass by itself: this is for what reads
 * the first ones only.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { shuffle, subset } from 'espalier'
 * import { data } from './data.js'
 *
 * const some = subset(shuffle(data.train, { seed: 1 }), [0, 1, 2, 3])
 * console.log(some.size) // 4
 * ```
 */
export function shuffle(dataset: Dataset, options: ShuffleOptions = {}): Dataset {
  SHUFFLE.check(dataset, options)
  mustHaveNumbers('shuffle', dataset)
  return subset(dataset, new Random(options.seed ?? 0).shuffle(allOf(dataset.size)))
}

function mustHaveNumbers(call: string, { stream }: Dataset): void {
  if (stream === undefined) return
  const words = `${call}: the examples of a stream come in its order, and can't be chosen`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'Choose in the source itself.' })
}
