import { binding } from '../libtorch/index.js'
import { type SignalOptions, withSignal } from './abort.js'
import { moduleHandleOf, type ScriptModule } from './module.js'
import type { ModuleInput } from './module-calls.js'
import { type Recording, recordingHandleOf } from './recording.js'
import { lower } from './values.js'

/** @internal Milliseconds that one `forward` takes on the native thread, its output thrown away. */
export function timeForward(
  module: ScriptModule,
  inputs: readonly ModuleInput[],
  { signal }: SignalOptions,
): Promise<number> {
  return withSignal({ signal, grad: module.training }, (job) =>
    binding().moduleTime(moduleHandleOf(module), inputs.map(lower), job),
  )
}

/** @internal How nodes are timed. */
export interface NodeTiming extends SignalOptions {
  /** Rounds that count, 1 or more. */
  rounds: number
  /** Rounds before them. */
  warmUp: number
}

/**
 * @internal Milliseconds that each node of a recorded graph takes, by the ids that the record has, for each round; 0 for one that did
 * not run. LibTorch's interpreter runs the graph, and lets go of values as it always does.
 */
export function timeNodes(
  module: ScriptModule,
  recording: Recording,
  inputs: readonly ModuleInput[],
  { rounds, warmUp, signal }: NodeTiming,
): Promise<Float64Array[]> {
  return withSignal({ signal, grad: false }, (job) =>
    binding().moduleNodeTimes(
      moduleHandleOf(module),
      recordingHandleOf(recording),
      inputs.map(lower),
      rounds,
      warmUp,
      job,
    ),
  )
}
