import { describes, descriptionOf } from '../base/describe.js'
import type { Batch, Dataset } from '../train/index.js'

/** The same inputs, with nothing to be learnt from them. */
export function withoutTargets(dataset: Dataset): Dataset {
  const { size, inputNames, stream } = dataset
  const bare: Dataset = {
    size,
    inputNames,
    async batch(indices, draw) {
      const { inputs } = await dataset.batch(indices, draw)
      return { inputs }
    },
    stream: stream && ((draw) => inputsAlone(stream(draw))),
  }
  return describes(bare, () => ({ name: 'withoutTargets', of: descriptionOf(dataset) }))
}

async function* inputsAlone(source: AsyncIterable<Batch>): AsyncGenerator<Batch, void, void> {
  for await (const { inputs } of source) yield { inputs }
}
