import type { Described } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { volume } from '../../base/numbers.js'
import type { Random } from '../../base/random.js'
import { count, func, like, list, maybe, type Schema, text, thing } from '../../base/schema/index.js'
import type { TypedArray } from '../../torch/index.js'

/** An array of any rank as plain data: elements in row-major order. The element type is the tensor's dtype. */
export interface ArrayData {
  data: TypedArray
  shape: readonly number[]
}

/** Examples as plain data; dimension 0 of every array is the example. */
export interface Batch {
  /** One array for each input of the model, in the order of the dataset's `inputNames` where it has such. */
  inputs: readonly ArrayData[]
  /** Absent where there are none: a teacher's outputs, or a loss of one's own, are then what is trained for. */
  targets?: ArrayData | undefined
}

/**
 * A source of examples. {@link inMemory} makes one from typed arrays. Its `description` says which examples it gives: a run goes on
 * from a checkpoint only with data of the same description. One without is told by its class and the numbers, texts and functions
 * that it holds.
 *
 * @example
 * ```ts
 * import { type Dataset, evaluate, load } from 'espalier'
 *
 * const images: Dataset = {
 *   size: 1000,
 *   batch(indices) {
 *     const pixels = Float32Array.from({ length: indices.length * 192 }, (_, k) => indices[Math.floor(k / 192)]! / 1000)
 *     const classes = BigInt64Array.from(indices, (i) => BigInt(i % 5))
 *     return {
 *       inputs: [{ data: pixels, shape: [indices.length, 3, 8, 8] }],
 *       targets: { data: classes, shape: [indices.length] },
 *     }
 *   },
 * }
 * const { targets } = await images.batch(Int32Array.of(3, 4))
 * console.log(targets!.data) // BigInt64Array(2) [ 3n, 4n ]
 * await evaluate(await load('model.pt'), images, { loss: 'cross-entropy' })
 * ```
 */
export interface Dataset extends Described {
  /** Number of examples. */
  readonly size: number
  /**
   * The examples with these indices, copied: the caller may change them. Where a dataset changes its examples at random, it draws
   * from `draw` and an example's index alone. The next batch is asked for while the last one is in use.
   *
   * @param draw an integer: another one in each pass over shuffled examples, and the same again when a run goes on from a checkpoint;
   *   none where they come in their order
   */
  batch(indices: Int32Array, draw?: number): Batch | Promise<Batch>
  /** Names of the inputs: the model gets them by the names of its own, whatever their order. None by default. */
  readonly inputNames?: readonly string[] | undefined
  /**
   * Where examples can only be read one after the other: all of them, from the first, in batches of any sizes. They are read so, and not
   * shuffled. None by default; see {@link fromAsyncIterable}.
   */
  stream?: ((draw?: number) => AsyncIterable<Batch>) | undefined
}

/** Changes a batch's arrays in place before it is used to train. All randomness comes from `random`. */
export type Augment = (batch: Batch, random: Random) => void

export const ARRAY_DATA: Schema<ArrayData> = like<ArrayData>('an array { data, shape } with data in a typed array', {
  data: thing<TypedArray>('a typed array', (value) => ArrayBuffer.isView(value) && !(value instanceof DataView)),
  shape: list(count(0), 'an array of sizes'),
})

export const BATCH = like<Batch>('a batch { inputs, targets }', {
  inputs: list(ARRAY_DATA, 'an array with an { data, shape } for each input of the model'),
  targets: maybe(ARRAY_DATA),
})

/** @internal */
export const DATASET = like<Dataset>('a dataset, such as inMemory(inputs, targets)', {
  size: count(0),
  batch: func(),
  inputNames: maybe(list(text('a name'), 'a list of names')),
  stream: maybe(func<NonNullable<Dataset['stream']>>()),
})

/** @internal */
export const AUGMENT = func<Augment>('a function that changes a batch, such as randomShift()')

export function checkArray({ data, shape }: ArrayData, examples: number): void {
  const length = volume(shape)
  if (shape[0] === examples && data.length === length) return
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    `an array of ${data.length} elements and shape [${shape.join(', ')}] doesn't hold ${examples} examples`,
  )
}

const madeLike = (data: TypedArray, length: number) =>
  new (data.constructor as new (length: number) => TypedArray)(length)

/** An array of its own. */
export function copied({ data, shape }: ArrayData): ArrayData {
  const copy = madeLike(data, data.length)
  copy.set(data as never)
  return { data: copy, shape: [...shape] }
}

/** The rows of an array, copied, in the order asked for. */
export function gather({ data, shape }: ArrayData, rows: Int32Array): ArrayData {
  const length = data.length / shape[0]!
  const copy = madeLike(data, rows.length * length)
  rows.forEach((row, i) => {
    copy.set(data.subarray(row * length, (row + 1) * length) as never, i * length)
  })
  return { data: copy, shape: [rows.length, ...shape.slice(1)] }
}
