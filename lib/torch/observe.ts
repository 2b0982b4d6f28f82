import type { SignalOptions } from './abort.js'
import { onDevice } from './inputs.js'
import type { ScriptModule } from './module.js'
import type { ModuleInput, Observation, ObservedPlace } from './module-calls.js'
import type { Recording } from './recording.js'

/**
 * What {@link ScriptModule.observe} tells, over many batches: the mean of their means, and the largest spread, for which a
 * constant that is another in each batch is none. `null` for a place at which nothing ran, and all are without a batch.
 */
export async function observeBatches(
  model: ScriptModule,
  recording: Recording,
  data: AsyncIterable<readonly ModuleInput[]>,
  places: readonly ObservedPlace[],
  options: SignalOptions = {},
): Promise<(Observation | null)[]> {
  // The recording is of the CPU.
  if (model.device !== 'cpu') {
    const copy = (await model.to('cpu', options)).eval()
    return observeBatches(copy, recording, data, places, options).finally(() => copy.dispose())
  }
  const sums = places.map(() => ({ mean: new Float64Array(0), spread: new Float64Array(0), batches: 0 }))
  for await (const inputs of data) {
    const seen = await model.observe(recording, onDevice(inputs, 'cpu'), places, options)
    seen.forEach((one, k) => {
      const own = sums[k]
      if (one === null || own === undefined) return
      own.spread = one.spread.map((spread, c) => {
        if (own.batches === 0) return spread
        return Math.max(own.spread[c]!, spread, Math.abs(one.mean[c]! - own.mean[c]! / own.batches))
      })
      own.mean = one.mean.map((mean, c) => mean + (own.mean[c] ?? 0))
      own.batches++
    })
  }
  return sums.map(({ mean, spread, batches }) => {
    return batches === 0 ? null : { mean: mean.map((sum) => sum / batches), spread }
  })
}
