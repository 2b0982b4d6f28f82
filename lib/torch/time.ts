import { binding } from '../libtorch/index.js'
import { type SignalOptions, withSignal } from './abort.js'
import { moduleHandleOf, type ScriptModule } from './module.js'
import type { ModuleInput } from './module-calls.js'
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
