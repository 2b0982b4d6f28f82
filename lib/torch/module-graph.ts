/** What is done with the graph of a module, by its handle. */
import type { ModuleHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { parseRecord } from '../record/codec.js'
import type { CutRequest } from '../record/cut-request.js'
import { type SignalOptions, withSignal } from './abort.js'
import { onDevice } from './inputs.js'
import { methodCounts, withMethods } from './interface.js'
import type { ModuleInput, Observation, ObservedPlace, RecordOptions } from './module-calls.js'
import { type Recording, recordingHandleOf, wrapRecording } from './recording.js'
import { lower } from './values.js'

type Inputs = readonly ModuleInput[]

/** What a recording is made with, moved to the CPU. */
export function onCpu(inputs: Inputs, options: RecordOptions): [Inputs, RecordOptions] {
  const moved = Object.entries(options.methods ?? {}).map(([name, given]) => [name, onDevice(given, 'cpu')])
  return [onDevice(inputs, 'cpu'), { ...options, methods: Object.fromEntries(moved) }]
}

export async function record(module: ModuleHandle, inputs: Inputs, options: RecordOptions): Promise<Recording> {
  const { execute = false, methods = {} } = options
  const all = withMethods(inputs, methods).map(lower)
  const counts = methodCounts(methods)
  const { record, forwardOps, handle } = await withSignal(options, (job) =>
    binding().moduleRecord(module, all, { ...job, execute, methods: counts }),
  )
  const parsed = parseRecord(record)
  return wrapRecording(counts.length > 0 ? { ...parsed, forwardOps } : parsed, handle, methods)
}

export const cut = (module: ModuleHandle, recording: Recording, request: CutRequest, options: SignalOptions) =>
  withSignal(options, (job) => binding().moduleCut(module, recordingHandleOf(recording), request, job))

export async function observe(
  module: ModuleHandle,
  recording: Recording,
  inputs: Inputs,
  places: readonly ObservedPlace[],
  options: SignalOptions,
): Promise<(Observation | null)[]> {
  const seen = await withSignal(options, (job) =>
    binding().moduleObserve(module, recordingHandleOf(recording), inputs.map(lower), places, job),
  )
  return seen.map((one) => {
    if (one === null) return null
    const [mean, spread] = [one.mean, one.spread].map((handle) => {
      const data = binding().tensorData(handle) as Float64Array
      binding().tensorDispose(handle)
      return data
    }) as [Float64Array, Float64Array]
    return { mean, spread }
  })
}
