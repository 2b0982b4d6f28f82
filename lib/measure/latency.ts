import { ON_PROGRESS } from '../base/progress.js'
import { count, list, maybe, object, signal, signature } from '../base/schema/index.js'
import type { ModuleInput, ScriptModule } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS } from '../torch/module-calls.js'
import { timeForward } from '../torch/time.js'

/** Time of one forward pass in milliseconds. */
export interface Latency {
  min: number
  median: number
}

export interface LatencyOptions {
  /** Measured passes of each module, 1 or more; 100 by default. */
  rounds?: number | undefined
  /** Passes before the measurement; 10 by default. */
  warmUp?: number | undefined
  /** Told after each round, those before the measurement too, what part of all is done, above 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const MEASURE_LATENCY = signature(
  'measureLatency',
  ['modules', list(MODULE, 'an array of ScriptModules')],
  ['inputs', EXAMPLE_INPUTS],
  [
    'options',
    object<LatencyOptions>({
      ...{ rounds: maybe(count()), warmUp: maybe(count(0)) },
      ...{ onProgress: maybe(ON_PROGRESS), signal: maybe(signal) },
    }),
  ],
)

/** Medians of two modules in turns, in milliseconds. */
export async function inTurns(
  one: ScriptModule,
  other: ScriptModule,
  inputs: readonly ModuleInput[],
  { signal }: Pick<LatencyOptions, 'signal'>,
): Promise<[number, number]> {
  const first = await timeForward(one, inputs, { signal })
  const rounds = Math.max(5, Math.min(60, Math.round(IN_TURNS / first)))
  const [a, b] = await measureLatency([one, other], inputs, { rounds, warmUp: 2, signal })
  return [a!.median, b!.median]
}

/** Milliseconds that the first of two modules in turns may take, about. */
const IN_TURNS = 1000

/**
 * Times the forward pass of several modules on the same inputs, in turn in every round, so that whatever else the machine
 * does meets all of them alike. The modules should be in eval mode.
 *
 * @returns milliseconds, in the order of the modules
 * @throws EspalierError ERR_INVALID_ARGUMENT; ERR_TORCH when a module doesn't run on the inputs; ERR_ABORTED
 * @example
 * ```ts
 * import { load, measureLatency, prune, Tensor } from 'espalier'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const { small } = await prune(model, { inputs, ratio: 0.5 })
 * const [before, after] = await measureLatency([model, small], inputs, { rounds: 20 })
 * console.log(before!.median > 0, after!.median > 0) // true true
 * ```
 */
export async function measureLatency(
  modules: readonly ScriptModule[],
  inputs: readonly ModuleInput[],
  options: LatencyOptions = {},
): Promise<Latency[]> {
  MEASURE_LATENCY.check(modules, inputs, options)
  const { rounds = 100, warmUp = 10 } = options
  const times = modules.map((): number[] => [])
  for (let round = -warmUp; round < rounds; round++) {
    for (const [k, module] of modules.entries()) {
      const time = await timeForward(module, inputs, { signal: options.signal })
      if (round >= 0) times[k]!.push(time)
    }
    options.onProgress?.((round + 1 + warmUp) / (rounds + warmUp))
  }
  return times.map((own) => {
    const sorted = [...own].sort((a, b) => a - b)
    return { min: sorted[0]!, median: sorted[Math.floor(sorted.length / 2)]! }
  })
}
