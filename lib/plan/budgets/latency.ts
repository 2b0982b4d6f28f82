import { EspalierError } from '../../base/errors.js'
import type { Analysis } from '../../groups/index.js'
import { Forecast, type Timings } from '../../measure/forecast.js'
import type { Budget } from './budget.js'
import { TIME } from './target.js'

/** By what was measured: forecasts hold what they make of it. */
const forecasts = new WeakMap<Timings, WeakMap<Analysis, Forecast>>()

function forecastOf(analysis: Analysis, timings: Timings | undefined): Forecast {
  if (timings === undefined) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      "a budget of latency needs 'timings': what was measured of the model",
      {
        hint: 'prune() and sparsify() measure it themselves; Prunable.aim() does it, and gives the plan.',
      },
    )
  }
  const known = forecasts.get(timings) ?? new WeakMap<Analysis, Forecast>()
  const forecast = known.get(analysis) ?? new Forecast(analysis, timings)
  forecasts.set(timings, known.set(analysis, forecast))
  return forecast
}

/** Milliseconds of a forward pass on the example inputs, foretold by measured operators: see {@link Timings}. */
export const latency: Budget = {
  name: 'latency',
  label: 'latency',
  unit: TIME,
  cost: (analysis, removed, { timings }) => forecastOf(analysis, timings).of(removed),
  whole: ({ timings }) => timings?.whole,
  monotone: false,
}
