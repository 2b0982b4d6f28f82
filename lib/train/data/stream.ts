import { describes, descriptionOf } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { count, faultOf, func, list, maybe, object, signature, text } from '../../base/schema/index.js'
import { type ArrayData, BATCH, type Batch, checkArray, copied, type Dataset, gather } from './dataset.js'
import { mustBeThere } from './indices.js'

/** Options of {@link fromAsyncIterable}. */
export interface AsyncIterableOptions {
  /** Examples that each pass has, 1 or more. What the source gives beyond them isn't read. */
  size: number
  /** Names of the inputs, in their order; none by default. */
  inputNames?: readonly string[] | undefined
}

/** Opens a source at its start: batches of any sizes, of one example, too. `draw` is as in {@link Dataset}: another one in each pass. */
export type OpenStream = (draw?: number) => AsyncIterable<Batch>

/** @internal */
export const FROM_ASYNC_ITERABLE = signature(
  'fromAsyncIterable',
  ['open', func<OpenStream>('a function that opens the source')],
  [
    'options',
    object<AsyncIterableOptions>({ size: count(), inputNames: maybe(list(text('a name'), 'a list of names')) }),
  ],
)

/**
 * Examples that come one after the other: from a database, a server, a program. They are cut into batches of the size that is asked for;
 * no more of them are in memory than two batches and what the source gives at once.
 *
 * They come in the order of the source: nothing is shuffled, and {@link split}, {@link subset} and {@link shuffle} refuse them. Where the order
 * matters the source mixes them itself, by `draw`. A run that goes on from a checkpoint within a pass reads the source from its start, and
 * leaves out what it had: it comes to the same if the source gives the same for the same `draw`. Asked for an example by its number, the
 * dataset reads from the start, too. Arrays are copied when they are read: the source may fill the same ones again. It is opened anew for each pass, and when a run looks at the first examples.
 *
 * @param open opens the source; its iterator's `return()` is called when no more is wanted
 * @throws EspalierError ERR_INVALID_ARGUMENT; later, for what is no batch, or fewer examples than `size`
 * @example
 * ```ts
 * import { batches, fromAsyncIterable } from 'espalier'
 *
 * const readings = fromAsyncIterable(
 *   async function* () {
 *     for (let k = 0; k < 10; k++) yield { inputs: [{ data: Float32Array.of(k, -k), shape: [1, 2] }] }
 *   },
 *   { size: 10 },
 * )
 * for await (const { inputs } of batches(readings, { batchSize: 4 })) console.log(inputs[0]!.shape)
 * // [ 4, 2 ]
 * // [ 4, 2 ]
 * // [ 2, 2 ]
 * ```
 */
export function fromAsyncIterable(open: OpenStream, options: AsyncIterableOptions): Dataset {
  FROM_ASYNC_ITERABLE.check(open, options)
  const { size, inputNames } = options
  const dataset: Dataset = {
    size,
    inputNames,
    stream: open,
    async batch(indices, draw) {
      const last = indices.reduce((most, index) => Math.max(most, index), -1)
      mustBeThere(indices, size)
      const reader = new StreamReader(open(draw), size)
      try {
        const { inputs, targets } = await reader.take(last + 1)
        return { inputs: inputs.map((array) => gather(array, indices)), targets: targets && gather(targets, indices) }
      } finally {
        reader.close()
      }
    },
  }
  return describes(dataset, () => ({
    ...{ name: 'fromAsyncIterable', size, source: descriptionOf(open) },
    ...(inputNames && { inputs: inputNames }),
  }))
}

/** A batch of a source, of which the first examples may be taken already. */
interface Piece {
  batch: Batch
  from: number
  to: number
}

/** Cuts what a source gives into batches of other sizes. */
export class StreamReader {
  readonly #iterator: AsyncIterator<Batch>
  readonly #size: number
  #pieces: Piece[] = []
  #held = 0
  #given = 0
  #first: Batch | undefined
  #isClosed = false

  constructor(source: AsyncIterable<Batch>, size: number) {
    const iterator = (source as Partial<AsyncIterable<Batch>> | undefined)?.[Symbol.asyncIterator]?.()
    if (iterator === undefined) throw wrong('the source is no async iterable')
    this.#iterator = iterator
    this.#size = size
  }

  /** The next examples. @throws EspalierError ERR_INVALID_ARGUMENT */
  async take(examples: number): Promise<Batch> {
    while (this.#held < examples) await this.#read()
    const parts: Piece[] = []
    for (let missing = examples; missing > 0; ) {
      const [first] = this.#pieces as [Piece]
      const taken = { ...first, to: Math.min(first.to, first.from + missing) }
      first.from = taken.to
      if (first.from === first.to) this.#pieces.shift()
      missing -= taken.to - taken.from
      parts.push(taken)
    }
    this.#held -= examples
    return joined(parts)
  }

  /** Reads on, and forgets. */
  async skip(examples: number): Promise<void> {
    for (let left = examples; left > 0; ) {
      if (this.#held === 0) await this.#read()
      // What the source gave at once is all that is held.
      const some = Math.min(left, this.#held)
      await this.take(some)
      left -= some
    }
  }

  close(): void {
    this.#isClosed = true
    // It may never answer, and what it answers is of no use any more.
    Promise.resolve()
      .then(() => this.#iterator.return?.())
      .catch(() => undefined)
  }

  async #read(): Promise<void> {
    if (this.#isClosed) throw new EspalierError('ERR_ABORTED', 'the source was closed')
    const { value, done } = await this.#iterator.next()
    if (done) throw wrong(`the source ended after ${this.#given} examples of ${this.#size}`)
    const fault = faultOf(BATCH, value, '', 'batch')
    if (fault !== undefined) throw wrong(fault.words)
    const { inputs, targets } = value as Batch
    const examples = inputs[0]?.shape[0] ?? 0
    for (const array of arraysOf(value as Batch)) checkArray(array, examples)
    if (examples === 0) return
    this.#first ??= value as Batch
    if (!haveSameArrays(this.#first, value as Batch)) throw wrong('not all batches have the same inputs and targets')
    const batch = { inputs: inputs.map(copied), targets: targets && copied(targets) }
    this.#pieces.push({ batch, from: 0, to: examples })
    this.#held += examples
    this.#given += examples
  }
}

const wrong = (words: string) => new EspalierError('ERR_INVALID_ARGUMENT', `fromAsyncIterable: ${words}`)

const arraysOf = ({ inputs, targets }: Batch): ArrayData[] => [...inputs, ...(targets === undefined ? [] : [targets])]

const haveSameArrays = (a: Batch, b: Batch): boolean =>
  a.inputs.length === b.inputs.length && (a.targets === undefined) === (b.targets === undefined)

function joined(parts: readonly Piece[]): Batch {
  const [first] = parts as [Piece]
  const isWhole = parts.length === 1 && first.from === 0 && first.to === first.batch.inputs[0]?.shape[0]
  if (isWhole) return first.batch
  const columns = parts.map(({ batch, from, to }) => arraysOf(batch).map((array) => ({ array, from, to })))
  const arrays = (columns[0] ?? []).map((_, k) => column(columns.map((part) => part[k] as Slice)))
  const inputs = arrays.slice(0, first.batch.inputs.length)
  return { inputs, targets: arrays[inputs.length] }
}

interface Slice {
  array: ArrayData
  from: number
  to: number
}

/** Rows of several arrays, one below the other. */
function column(slices: readonly Slice[]): ArrayData {
  const [{ array: first }] = slices as [Slice]
  const row = first.shape.slice(1)
  const length = first.data.length / (first.shape[0] as number)
  const examples = slices.reduce((sum, { from, to }) => sum + to - from, 0)
  const Type = first.data.constructor as new (length: number) => typeof first.data
  const data = new Type(examples * length)
  let at = 0
  for (const { array, from, to } of slices) {
    const isAlike = array.data.constructor === Type && array.shape.slice(1).join() === row.join()
    if (!isAlike) throw wrong(`an example is [${array.shape.slice(1).join(', ')}], after others of [${row.join(', ')}]`)
    data.set(array.data.subarray(from * length, to * length) as never, at)
    at += (to - from) * length
  }
  return { data, shape: [examples, ...row] }
}
