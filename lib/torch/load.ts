import { constants, type Stats } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { EspalierError } from '../base/errors.js'
import {
  either,
  flag,
  func,
  maybe,
  object,
  type Parameter,
  path as pathSchema,
  signal,
  signature,
  thing,
} from '../base/schema/index.js'
import type { Device, LoadLimits, ModuleHandle, TrainEvalRepair } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { withSignal } from './abort.js'
import { LOAD_LIMITS } from './limits.js'
import { type ScriptModule, wrapModule } from './module.js'
import { DEVICE, Tensor } from './tensor.js'

/** Options of {@link load}. */
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
  /**
   * Whether a module that `torch.jit.freeze` or `optimizeForInference` made is taken, too: it can be run, but neither pruned nor
   * trained, as its weights are constants. False by default.
   */
  frozen?: boolean | undefined
  /** How much the file may ask for; the defaults are with each limit. */
  limits?: LoadLimits | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const SOURCE: Parameter<string | Uint8Array> = [
  'source',
  either(
    'a path, or the bytes of a file',
    pathSchema,
    thing<Uint8Array>('bytes', (value) => value instanceof Uint8Array),
  ),
]

/** @internal */
export const LOAD = signature('load', SOURCE, [
  'options',
  object<LoadModelOptions>({
    device: maybe(DEVICE),
    repair: maybe(either('true, false or a function', flag, func<(repair: TrainEvalRepair) => boolean>())),
    frozen: maybe(flag),
    limits: maybe(LOAD_LIMITS),
    signal: maybe(signal),
  }),
])

/**
 * Loads a TorchScript model, saved by `torch.jit.save`.
 *
 * A TorchScript file contains a program, and parts of it run while it is loaded: load only files that you trust, others with
 * {@link loadUntrusted}.
 *
 * @param source path of a `.pt` file, or its bytes
 * @throws EspalierError ERR_READ when it can't be read, ERR_MODEL_FILE when it is truncated, damaged or no TorchScript archive;
 *   ERR_LIMIT; ERR_FROZEN_MODULE; ERR_UNSUPPORTED when it needs operators that LibTorch does not have; ERR_INVALID_ARGUMENT;
 *   ERR_TORCH when the device is not there; ERR_ABORTED
 * @example
 * ```ts
 * import { load } from 'espalier'
 *
 * const model = await load('model.pt')
 * console.log(model) // ScriptModule(6 parameters, eval)
 * ```
 */
export async function load(source: string | Uint8Array, options: LoadModelOptions = {}): Promise<ScriptModule> {
  LOAD.check(source, options)
  const name = typeof source === 'string' ? basename(source) : 'model'
  const path = typeof source === 'string' ? resolve(source) : source
  if (typeof path === 'string') await mustBeReadable(path)
  // Asked before: a device that is not there would be told as a fault of the file.
  if (options.device !== undefined && options.device !== 'cpu') Tensor.zeros([0], { device: options.device }).dispose()
  let handle: ModuleHandle
  try {
    handle = await withSignal(options, (job) =>
      binding().moduleLoad(path, name, options.device ?? 'cpu', job, options.limits, options.frozen ?? false),
    )
  } catch (error) {
    const { code } = error as EspalierError
    const mobile = code === 'ERR_MODEL_FILE' && (await isForMobile(path).catch(() => false))
    throw mobile ? forMobile(name, error) : error
  }
  const { repair = true } = options
  const wanted = typeof repair === 'function' ? repair : () => repair
  return wrapModule(
    handle,
    binding().moduleRepair(handle, (scope, operator, was) => wanted({ scope, operator, was })),
  )
}

/** @throws ERR_READ with the system's reason, also for what is no file: a pipe or a device would be waited for */
async function mustBeReadable(path: string): Promise<void> {
  const refused = (reason: string, cause?: unknown) =>
    new EspalierError('ERR_READ', `${path}: can't be read: ${reason}`, { hint: 'Give the path of a file.', cause })
  let info: Stats
  try {
    await access(path, constants.R_OK)
    info = await stat(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw refused(code === undefined ? message : `${message.split(',')[0]?.replace(`${code}: `, '')} (${code})`, error)
  }
  if (info.isDirectory()) throw refused('is a directory (EISDIR)')
  if (!info.isFile()) throw refused('it is no file, but a pipe, a socket or a device')
}

/** Whether it is a flatbuffer of the lite interpreter. */
async function isForMobile(source: string | Uint8Array): Promise<boolean> {
  const start = new Uint8Array(8)
  if (typeof source !== 'string') start.set(source.subarray(0, 8))
  else {
    const file = await open(source)
    await file.read(start, 0, 8, 0).finally(() => file.close())
  }
  return Buffer.from(start.subarray(4)).toString('latin1') === 'PTMF'
}

function forMobile(name: string, cause: unknown): EspalierError {
  const words = `${name}: a model for mobile devices (flatbuffer), which holds no TorchScript program`
  return new EspalierError('ERR_MODEL_FILE', words, {
    hint: 'Save the model that it was made of, in Python, with torch.jit.script(model).save(path).',
    cause,
  })
}
