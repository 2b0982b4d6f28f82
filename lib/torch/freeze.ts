import { binding } from '../libtorch/index.js'
import { type SignalOptions, withSignal } from './abort.js'
import { moduleHandleOf, type ScriptModule, wrapModule } from './module.js'

/** @internal Its weights as constants, folded as far as they go, in eval mode; this one stays as it is. */
export async function frozen(
  module: ScriptModule,
  channelsLast: boolean,
  { signal }: SignalOptions,
): Promise<ScriptModule> {
  // What has its weights laid out anew, and is frozen.
  using copy = await module.clone({ signal })
  return wrapModule(
    await withSignal({ signal }, (job) => binding().moduleFreeze(moduleHandleOf(copy), channelsLast, job)),
  )
}
