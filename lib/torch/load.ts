import { basename, resolve } from 'node:path'
import { either, flag, func, maybe, object, path as pathSchema, signal, signature, thing } from '../schema/index.js'
import { withSignal } from './abort.js'
import { type ScriptModule, wrapModule } from './module.js'
import type { TrainEvalRepair } from './recording.js'
import { binding } from './runtime/index.js'
import { DEVICE, type Device } from './tensor.js'

export interface LoadModelOptions {
  /**
   * Where the tensors go, whatever device they were saved from. Default `cpu`. A device that the program itself names
   * (`torch.arange(n, device='cuda:0')`) becomes the one where the model is.
   */
  device?: Device | undefined
  /**
   * Whether operators of a traced model, whose mode tracing has made a constant, follow train() and eval() again: all
   * (`true`, the default), none, or those for which a function says so (keep a batch norm out that was frozen on purpose).
   * What was repaired is in {@link ScriptModule.repairs}. What a trace taken in eval mode
   * has lost can't be: dropout inside of an attention operator, stochastic depth.
   */
  repair?: boolean | ((repair: TrainEvalRepair) => boolean) | undefined
  signal?: AbortSignal | undefined
}

/** @internal */
export const LOAD = signature(
  'load',
  [
    'source',
    either(
      'a path, or the bytes of a file',
      pathSchema,
      thing<Uint8Array>('bytes', (value) => value instanceof Uint8Array),
    ),
  ],
  [
    'options',
    object<LoadModelOptions>({
      device: maybe(DEVICE),
      repair: maybe(either('true, false or a function', flag, func<(repair: TrainEvalRepair) => boolean>())),
      signal: maybe(signal),
    }),
  ],
)

/**
 * Loads a TorchScript model, saved by `torch.jit.save`.
 *
 * A TorchScript file contains a program: load only files that you trust.
 *
 * @param source path of a `.pt` file, or its bytes
 * @throws EspalierError ERR_MODEL_FILE when it is missing, truncated, damaged or no TorchScript archive;
 * ERR_FROZEN_MODULE; ERR_UNSUPPORTED when it needs operators that LibTorch does not have; ERR_ABORTED
 * @example const model = await load('resnet8.script.pt')
 */
export async function load(source: string | Uint8Array, options: LoadModelOptions = {}): Promise<ScriptModule> {
  LOAD.check(source, options)
  const name = typeof source === 'string' ? basename(source) : 'model'
  const path = typeof source === 'string' ? resolve(source) : source
  const handle = await withSignal(options, (job) => binding().moduleLoad(path, name, options.device ?? 'cpu', job))
  const { repair = true } = options
  const wanted = typeof repair === 'function' ? repair : () => repair
  return wrapModule(
    handle,
    binding().moduleRepair(handle, (scope, operator, was) => wanted({ scope, operator, was })),
  )
}
