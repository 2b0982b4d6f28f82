import type { Dataset } from '../train/index.js'
import type { Work } from './command.js'
import { clock } from './terminal/clock.js'

/** The same examples; how many of them were asked for is shown, with the rate and the time left. */
export function watched(dataset: Dataset, work: Pick<Work, 'status'>, doing: string): Dataset {
  const start = performance.now()
  let asked = 0
  return {
    size: dataset.size,
    batch(indices, draw) {
      const rate = asked / ((performance.now() - start) / 1000)
      const left = rate > 0 ? `, ${rate.toPrecision(3)} a second, ${clock((dataset.size - asked) / rate)} left` : ''
      work.status(`${doing}: ${asked} of ${dataset.size} examples${left}`, asked / dataset.size)
      asked += indices.length
      return dataset.batch(indices, draw)
    },
  }
}
