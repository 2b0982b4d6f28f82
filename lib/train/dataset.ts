import { abortIf, untilAborted } from '../base/abort.js'
import { EspalierError } from '../base/errors.js'
import { RANDOM, RANDOM_STATE, type Random, type RandomState } from '../base/random.js'
import {
  count,
  either,
  faultOf,
  flag,
  func,
  like,
  list,
  maybe,
  object,
  type Schema,
  signal as signalSchema,
  signature,
  thing,
} from '../base/schema/index.js'
import { type Device, Tensor, type TypedArray } from '../torch/index.js'
import { DEVICE } from '../torch/tensor.js'

/** An array of any rank as plain data: elements in row-major order. The element type is the tensor's dtype. */
export interface ArrayData {
  data: TypedArray
  shape: readonly number[]
}

/** Examples as plain data; dimension 0 of every array is the example. */
export interface Batch {
  /** One array for each input of the model. */
  inputs: readonly ArrayData[]
  targets: ArrayData
}

/** A source of examples. {@link inMemory} makes one from typed arrays. */
export interface Dataset {
  /** Number of examples. */
  readonly size: number
  /** The examples with these indices, copied: the caller may change them. */
  batch(indices: Int32Array): Batch | Promise<Batch>
}

/** Changes a batch's arrays in place before it is used to train. All randomness comes from `random`. */
export type Augment = (batch: Batch, random: Random) => void

const ARRAY_DATA: Schema<ArrayData> = like<ArrayData>('an array { data, shape } with data in a typed array', {
  data: thing<TypedArray>('a typed array', (value) => ArrayBuffer.isView(value) && !(value instanceof DataView)),
  shape: list(count(0), 'an array of sizes'),
})
const BATCH = like<Batch>('a batch { inputs, targets }', {
  inputs: list(ARRAY_DATA, 'an array with an { data, shape } for each input of the model'),
  targets: ARRAY_DATA,
})

/** @internal */
export const DATASET = like<Dataset>('a dataset, such as inMemory(inputs, targets)', { size: count(0), batch: func() })
/** @internal */
export const AUGMENT = func<Augment>('a function that changes a batch, such as randomShift()')
/** @internal */
export const IN_MEMORY = signature(
  'inMemory',
  [
    'inputs',
    either(
      'an array { data, shape } with data in a typed array, or a list with one for each input of the model',
      ARRAY_DATA,
      list(ARRAY_DATA, 'a list'),
    ),
  ],
  ['targets', ARRAY_DATA],
  [
    'indices',
    maybe(
      thing<ArrayLike<number>>('an array of numbers of examples', (value) => {
        return (Array.isArray(value) || ArrayBuffer.isView(value)) && Array.from(value as never).every(Number.isInteger)
      }),
    ),
  ],
)

/**
 * Examples held in memory.
 *
 * @param inputs one array `[n, ...]`, or one for each input of the model
 * @param targets `[n, ...]`: class indices as `BigInt64Array` for cross entropy, or values
 * @param indices which examples to use, in this order; all by default
 * @throws ERR_INVALID_ARGUMENT when lengths and shapes don't fit
 */
export function inMemory(
  inputs: ArrayData | readonly ArrayData[],
  targets: ArrayData,
  indices?: ArrayLike<number>,
): Dataset {
  IN_MEMORY.check(inputs, targets, indices)
  const all: readonly ArrayData[] = 'data' in inputs ? [inputs] : inputs
  const examples = targets.shape[0] ?? 0
  for (const array of [...all, targets]) checkArray(array, examples)
  const chosen = Int32Array.from(indices ?? { length: examples }, indices === undefined ? (_, i) => i : Number)
  if (chosen.some((index) => !(index >= 0 && index < examples))) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `an index is outside of the ${examples} examples`)
  }
  return {
    size: chosen.length,
    batch(positions) {
      const wrong = [...positions].find((position) => !(chosen[position] !== undefined))
      if (wrong !== undefined) {
        throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no example ${wrong}, only 0 to ${chosen.length - 1}`)
      }
      const rows = Int32Array.from(positions, (position) => chosen[position]!)
      return { inputs: all.map((array) => gather(array, rows)), targets: gather(targets, rows) }
    },
  }
}

/** A batch as tensors, valid until the next one is asked for. */
export interface TensorBatch {
  inputs: Tensor[]
  targets: Tensor
  /** Number of examples. */
  size: number
}

export interface BatchOptions {
  /** Examples in a batch, 1 or more; 64 by default. The last batch may be smaller. */
  batchSize?: number | undefined
  /** Shuffles, and feeds `augment`; without it the examples come in their order. */
  random?: Random | undefined
  augment?: Augment | undefined
  /** Leave out a last batch that is not full; false by default. Batch norm can't train on a single example. */
  dropLast?: boolean | undefined
  /** Where the tensors are put; `'cpu'` by default. */
  device?: Device | undefined
  /** Goes on after so many batches, with `random` as it was then. The order is that of the pass: `random` starts as it did. */
  resume?: { batch: number; random: RandomState } | undefined
  /** Ends the wait for a batch of the dataset, too. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const BATCHES = signature(
  'batches',
  ['dataset', DATASET],
  [
    'options',
    object<BatchOptions>({
      batchSize: maybe(count()),
      random: maybe(RANDOM),
      augment: maybe(AUGMENT),
      dropLast: maybe(flag),
      device: maybe(DEVICE),
      resume: maybe(object<NonNullable<BatchOptions['resume']>>({ batch: count(0), random: RANDOM_STATE })),
      signal: maybe(signalSchema),
    }),
  ],
)
/** @internal */
export const BATCH_COUNT = signature(
  'batchCount',
  ['dataset', DATASET],
  ['batchSize', count()],
  ['dropLast', maybe(flag)],
)

/**
 * The batches of one pass over a dataset, as tensors. Each is disposed when the next is asked for.
 *
 * @throws ERR_ABORTED
 */
export async function* batches(dataset: Dataset, options: BatchOptions = {}): AsyncGenerator<TensorBatch, void, void> {
  BATCHES.check(dataset, options)
  const { random, augment, device = 'cpu', resume, signal, batchSize = 64 } = options
  const order = Int32Array.from({ length: dataset.size }, (_, i) => i)
  random?.shuffle(order)
  if (random !== undefined && resume !== undefined) random.state = resume.random
  const steps = batchCount(dataset, batchSize, options.dropLast)
  for (let k = resume?.batch ?? 0; k < steps; k++) {
    abortIf(signal)
    const indices = order.subarray(k * batchSize, (k + 1) * batchSize)
    const arrays = await untilAborted(dataset.batch(indices), signal)
    mustBeBatch(arrays, indices.length)
    if (augment !== undefined && random !== undefined) augment(arrays, random)
    const batch: TensorBatch = {
      inputs: arrays.inputs.map(({ data, shape }) => Tensor.from(data, shape, { device })),
      targets: Tensor.from(arrays.targets.data, arrays.targets.shape, { device }),
      size: arrays.targets.shape[0]!,
    }
    try {
      yield batch
    } finally {
      for (const tensor of [...batch.inputs, batch.targets]) tensor.dispose()
    }
  }
}

/** Number of batches of one pass. */
export function batchCount(dataset: Dataset, batchSize: number, dropLast = false): number {
  BATCH_COUNT.check(dataset, batchSize, dropLast)
  return dropLast ? Math.floor(dataset.size / batchSize) : Math.ceil(dataset.size / batchSize)
}

/** What a dataset gave, which may be the caller's own. */
function mustBeBatch(batch: Batch, examples: number): void {
  const fault = faultOf(BATCH, batch, '', 'batch')
  if (fault !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `dataset.batch(): ${fault.words}`)
  for (const each of [...batch.inputs, batch.targets]) checkArray(each, examples)
}

function checkArray({ data, shape }: ArrayData, examples: number): void {
  const length = shape.reduce((product, size) => product * size, 1)
  if (shape[0] === examples && data.length === length) return
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    `an array of ${data.length} elements and shape [${shape.join(', ')}] doesn't hold ${examples} examples`,
  )
}

/** The rows of an array, copied, in the order asked for. */
function gather({ data, shape }: ArrayData, rows: Int32Array): ArrayData {
  const length = data.length / shape[0]!
  const copy = new (data.constructor as new (length: number) => TypedArray)(rows.length * length)
  rows.forEach((row, i) => {
    copy.set(data.subarray(row * length, (row + 1) * length) as never, i * length)
  })
  return { data: copy, shape: [rows.length, ...shape.slice(1)] }
}
