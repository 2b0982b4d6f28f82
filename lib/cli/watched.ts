import type { Batch, Dataset } from '../train/index.js'
import type { Work } from './command.js'
import { clock } from './terminal/clock.js'

/** The same examples; how many of them were asked for is shown, with the rate and the time left. */
export function watched(dataset: Dataset, work: Pick<Work, 'status'>, doing: string): Dataset {
  const start = performance.now()
  let asked = 0
  const count = (more: number) => {
    const rate = asked / ((performance.now() - start) / 1000)
    const left = rate > 0 ? `, ${rate.toPrecision(3)} a second, ${clock((dataset.size - asked) / rate)} left` : ''
    work.status(`${doing}: ${asked} of ${dataset.size} examples${left}`, asked / dataset.size)
    asked += more
  }
  const { size, inputNames } = dataset
  return {
    size,
    inputNames,
    batch(indices, draw) {
      count(indices.length)
      return dataset.batch(indices, draw)
    },
    stream: dataset.stream && ((draw) => counted(dataset.stream!(draw), count)),
  }
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
