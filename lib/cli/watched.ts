import { describes, descriptionOf } from '../base/describe.js'
import type { Batch, Dataset } from '../train/index.js'
import type { Work } from './command.js'
import { paced } from './pace.js'

/**
 * The same examples; how many of them were asked for is shown, with the rate and the time left.
 *
 * @param patience nothing is shown of passes that take less than so many ms
 */
export function watched(dataset: Dataset, work: Pick<Work, 'status'>, doing: string, patience = 0): Dataset {
  const begin = () => paced(work, doing, { unit: 'examples', of: dataset.size, patience })
  let show = begin()
  let asked = 0
  const count = (more: number) => {
    // A pass is over: another one may come, much later.
    if (asked >= dataset.size) {
      asked = 0
      show = begin()
    }
    show(asked)
    asked += more
  }
  const { size, inputNames } = dataset
  const same: Dataset = {
    size,
    inputNames,
    batch(indices, draw) {
      count(indices.length)
      return dataset.batch(indices, draw)
    },
    stream: dataset.stream && ((draw) => counted(dataset.stream!(draw), count)),
  }
  return describes(same, () => descriptionOf(dataset))
}

/** The same batches; `return()` reaches the source at once, even while it is asked for the next. */
function counted(source: AsyncIterable<Batch>, count: (examples: number) => void): AsyncIterable<Batch> {
  // What is no source is told so where it is read, and so is what is no batch.
  if (typeof source?.[Symbol.asyncIterator] !== 'function') return source
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]()
      return {
        async next() {
          const result = await iterator.next()
          if (result.done !== true) count(result.value?.inputs?.[0]?.shape?.[0] ?? 0)
          return result
        },
        async return() {
          return (await iterator.return?.()) ?? { done: true, value: undefined }
        },
      }
    },
  }
}

/** Passes that the view of a training is not worth being left for, ms. */
const SHORT = 1000

/** The data of a training, whose measuring is shown where it takes a while. */
export function watchedData<Data extends { validation?: Dataset | undefined }>(
  data: Data,
  work: Pick<Work, 'status'>,
): Data {
  const { validation } = data
  return validation === undefined ? data : { ...data, validation: watched(validation, work, 'measured', SHORT) }
}
