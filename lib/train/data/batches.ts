import { abortIf, untilAborted } from '../../base/abort.js'
import { EspalierError } from '../../base/errors.js'
import { RANDOM, RANDOM_STATE, type Random, type RandomState } from '../../base/random.js'
import { count, flag, list, maybe, object, signal as signalSchema, signature, text } from '../../base/schema/index.js'
import { type Device, keep, Tensor, type TypedArray } from '../../torch/index.js'
import { DEVICE } from '../../torch/tensor.js'
import { mustBeBatch } from './batch-check.js'
import { type ArrayData, AUGMENT, type Augment, type Batch, DATASET, type Dataset } from './dataset.js'
import { allOf } from './indices.js'
import { begun, inOrder, placesOf, sourceOf } from './source.js'

/** A batch as tensors, valid until the next one is asked for. */
export interface TensorBatch {
  inputs: Tensor[]
  /** Undefined where the data has none. */
  targets: Tensor | undefined
  /** @internal Elements of the targets. */
  labels?: TypedArray | undefined
  /** Number of examples. */
  size: number
}

/** Options of {@link batches}. */
export interface BatchOptions {
  /** Examples in a batch, 1 or more; 64 by default. The last batch may be smaller. */
  batchSize?: number | undefined
  /** Shuffles, and feeds `augment`; by default the examples come in their order. */
  random?: Random | undefined
  /** Changes the examples of each batch, such as `randomShift()`; it needs `random`. None by default. */
  augment?: Augment | undefined
  /** Leave out a last batch that is not full; false by default. Batch norm can't train on a single example. */
  dropLast?: boolean | undefined
  /** Where the tensors are put; `'cpu'` by default. */
  device?: Device | undefined
  /**
   * Goes on after so many batches, with `random` as it was then; from the start by default. The order is that of the pass:
   * `random` starts as it did.
   */
  resume?: { batch: number; random: RandomState } | undefined
  /**
   * Names of the model's inputs, `model.inputNames()`: a dataset with names gives its inputs in this order. In the dataset's own by
   * default.
   */
  inputNames?: readonly string[] | undefined
  /** Ends the work, with ERR_ABORTED, and the wait for a batch of the dataset, too; none by default. */
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
      inputNames: maybe(list(text('a name'), 'a list of names')),
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
 * The batches of one pass over a dataset, as tensors. Each is disposed when the next is asked for. While one is in use the dataset makes
 * the next: files are read and pictures decoded while a model trains.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range, or a dataset that gives what is no batch; ERR_ABORTED
 * @example
 * ```ts
 * import { batches, Random } from 'espalier'
 * import { data } from './data.js'
 *
 * for await (const { inputs, targets } of batches(data.train, { batchSize: 32, random: new Random(1) })) {
 *   console.log(inputs[0]!.shape, targets!.shape)
 * }
 * // [ 32, 3, 8, 8 ] [ 32 ]
 * // [ 16, 3, 8, 8 ] [ 16 ]
 * ```
 */
export async function* batches(dataset: Dataset, options: BatchOptions = {}): AsyncGenerator<TensorBatch, void, void> {
  BATCHES.check(dataset, options)
  const { random, augment, device = 'cpu', resume, signal, batchSize = 64 } = options
  if (augment !== undefined && random === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', "batches: 'augment' draws from 'random', which is missing", {
      hint: 'Give a generator: random: new Random(1).',
    })
  }
  const isStream = dataset.stream !== undefined
  const order = allOf(isStream ? 0 : dataset.size)
  if (isStream) random?.next()
  else random?.shuffle(order)
  // Of the pass, not of the batch: a run that goes on within one shuffles anew, and comes to the same.
  const draw = random?.state[0]
  if (random !== undefined && resume !== undefined) random.state = resume.random
  const { inputNames } = dataset
  const places = inputNames && options.inputNames && placesOf(inputNames, options.inputNames)
  const steps = batchCount(dataset, batchSize, options.dropLast)
  const first = resume?.batch ?? 0
  if (first >= steps) return
  const source = sourceOf(dataset, order, batchSize, draw, first)
  let isOver = false
  const made = (arrays: Batch, examples: number): TensorBatch => {
    mustBeBatch(arrays, examples, inputNames)
    if (augment !== undefined && random !== undefined) augment(arrays, random)
    const inputs = places === undefined ? arrays.inputs : inOrder(arrays.inputs, places)
    // No scope's: they are made in that of another batch.
    const put = ({ data, shape }: ArrayData) => keep(Tensor.from(data, shape, { device }))
    const { targets } = arrays
    // The dataset may use its array again.
    const labels = device === 'cpu' || targets === undefined ? undefined : targets.data.slice()
    return { inputs: inputs.map(put), targets: targets && put(targets), labels, size: examples }
  }
  // Ahead of its turn, but for what is drawn: `random` is as far as the batches that were given.
  const ask = (k: number) =>
    begun(async () => {
      // Nobody waits for it any more, and the source is closed.
      if (isOver) throw new EspalierError('ERR_ABORTED', 'the batches ended early')
      const examples = Math.min(batchSize, dataset.size - k * batchSize)
      const arrays = await source.get(k, examples)
      return { arrays, examples, batch: augment === undefined && !isOver ? made(arrays, examples) : undefined }
    })
  let asked = ask(first)
  try {
    for (let k = first; k < steps; k++) {
      abortIf(signal)
      const { arrays, examples, batch = made(arrays, examples) } = await untilAborted(asked, signal)
      if (k + 1 < steps) asked = ask(k + 1)
      try {
        yield batch
      } finally {
        disposeOf(batch)
      }
    }
  } finally {
    isOver = true
    source.close()
    const drop = ({ batch }: { batch: TensorBatch | undefined }) => batch && disposeOf(batch)
    asked.then(drop, () => undefined)
  }
}

function disposeOf({ inputs, targets }: TensorBatch): void {
  for (const tensor of [...inputs, targets]) tensor?.dispose()
}

/**
 * Number of batches of one pass.
 *
 * @param batchSize 1 or more
 * @param dropLast whether a last batch that is not full is left out; false by default
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { batchCount } from 'espalier'
 * import { data } from './data.js'
 *
 * console.log(data.train.size, batchCount(data.train, 32), batchCount(data.train, 32, true)) // 48 2 1
 * ```
 */
export function batchCount(dataset: Dataset, batchSize: number, dropLast = false): number {
  BATCH_COUNT.check(dataset, batchSize, dropLast)
  return dropLast ? Math.floor(dataset.size / batchSize) : Math.ceil(dataset.size / batchSize)
}
