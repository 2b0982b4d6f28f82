import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { ERROR_CODES, type ErrorCode, EspalierError } from '../../base/errors.js'
import { readBytes } from '../../base/files.js'
import { count, list, maybe, object, signal, signature, thing } from '../../base/schema/index.js'
import type { LoadLimits, TypedArray } from '../../libtorch/binding.js'
import { loadRuntime, PACKAGE_ROOT } from '../../libtorch/index.js'
import { parseRecord } from '../../record/codec.js'
import type { OpRecord } from '../../record/record.js'
import { LOAD_LIMITS } from '../limits.js'
import { SOURCE } from '../load.js'
import { Tensor } from '../tensor.js'
import { pack, takeArrays, unpack, unreadable, type WireTensor } from './wire.js'

/** Options of {@link loadUntrusted}. */
export interface LoadUntrustedOptions {
  /** Runs the model on them, once, to record its operators. Default: it is loaded only. */
  inputs?: readonly Tensor[] | undefined
  /** As those of {@link load}, with its defaults. */
  limits?: LoadLimits | undefined
  /** Bytes that the process may take beside LibTorch itself. Default 4 GiB. */
  memory?: number | undefined
  /** Milliseconds that the process may run. Default 60,000. */
  timeout?: number | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** What was seen of a file: plain data and copies of tensors, nothing that runs. */
export interface UntrustedModel {
  /** By qualified name; tied names give the same Tensor. The caller disposes of them. */
  readonly parameters: ReadonlyMap<string, Tensor>
  readonly buffers: ReadonlyMap<string, Tensor>
  /** With `inputs`: what `analyse` takes. */
  readonly record?: OpRecord
}

/** @internal */
export interface Request {
  readonly libtorch: string
  readonly inputs: readonly WireTensor[]
  readonly record: boolean
  readonly memory: number
  readonly limits?: LoadLimits
}

export const LOAD_UNTRUSTED = signature('loadUntrusted', SOURCE, [
  'options',
  object<LoadUntrustedOptions>({
    inputs: maybe(
      list(
        thing<Tensor>('a Tensor', (value) => value instanceof Tensor),
        'a list of Tensors',
      ),
    ),
    limits: maybe(LOAD_LIMITS),
    memory: maybe(count()),
    timeout: maybe(count()),
    signal: maybe(signal),
  }),
])

/**
 * Looks into a TorchScript file that may be hostile. It is loaded, and on request recorded, in a process of its own that can
 * open no file, use no network, start no process and take no more memory and time than it is given; what comes back is data.
 * Linux on x64 only.
 *
 * @param source path of a `.pt` file, or its bytes
 * @throws EspalierError as {@link load} and `record`; ERR_LIMIT when its time is over; ERR_MODEL_FILE when its process ends
 *   without an answer, as for want of memory; ERR_UNSUPPORTED where the platform has no such process
 * @example
 * ```ts
 * import { loadUntrusted, Tensor } from 'espalier'
 * import { analyse } from 'espalier/analysis'
 *
 * const { record } = await loadUntrusted('model.pt', { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(analyse(record!).groups.length) // 1
 * ```
 */
export async function loadUntrusted(
  source: string | Uint8Array,
  options: LoadUntrustedOptions = {},
): Promise<UntrustedModel> {
  LOAD_UNTRUSTED.check(source, options)
  const { inputs, memory = 2 ** 32, timeout = 60_000, limits } = options
  const described = (inputs ?? []).map(({ shape, dtype }): WireTensor => ({ names: [], role: 'input', shape, dtype }))
  const { root: libtorch } = loadRuntime().libtorch
  const request: Request = {
    libtorch,
    inputs: described,
    record: inputs !== undefined,
    memory,
    ...(limits !== undefined && { limits }),
  }
  const file = typeof source === 'string' ? await readBytes(source) : source
  const data = (inputs ?? []).map((tensor) => tensor.data())
  return read(await ask([...pack(request, data), file], timeout, options.signal))
}

/** Starts the process, and gives its answer. */
async function ask(request: readonly Uint8Array[], timeout: number, stop?: AbortSignal): Promise<Uint8Array> {
  if (stop?.aborted) throw aborted(stop)
  // Of this process's environment it gets nothing.
  const child = spawn(process.execPath, [join(PACKAGE_ROOT, 'dist/torch/untrusted/child.js')], {
    env: {},
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
  })
  let failure: EspalierError | undefined
  const kill = (error: EspalierError) => {
    failure ??= error
    child.kill('SIGKILL')
  }
  const timer = setTimeout(() => {
    kill(
      new EspalierError('ERR_LIMIT', `the file was not loaded within ${timeout} ms`, {
        hint: 'Give it a longer timeout.',
      }),
    )
  }, timeout)
  const onAbort = () => kill(aborted(stop as AbortSignal))
  stop?.addEventListener('abort', onAbort, { once: true })
  const chunks: Buffer[] = []
  ;(child.stdio[3] as Readable).on('data', (chunk: Buffer) => chunks.push(chunk))
  const input = child.stdin as Writable
  // The child may end before it has read all.
  input.on('error', () => undefined)
  for (const part of request) input.write(part)
  input.end()
  try {
    const end = await new Promise<string>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (status, name) => resolve(name ?? `status ${status}`))
    })
    if (failure !== undefined) throw failure
    if (chunks.length === 0) {
      throw new EspalierError('ERR_MODEL_FILE', `the process that loaded the file ended with ${end}`, {
        hint: 'The file breaks LibTorch, or needs more than its memory.',
      })
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
    stop?.removeEventListener('abort', onAbort)
  }
}

/** Nothing of the answer is trusted: what runs in that process may have taken it over. */
function read(answer: Uint8Array): UntrustedModel {
  const { header, rest } = unpack(answer)
  const { error, tensors, record } = (header ?? {}) as { error?: unknown; tensors?: WireTensor[]; record?: unknown }
  if (error !== undefined) throw told(error)
  if (!Array.isArray(tensors)) throw unreadable()
  const { arrays } = takeArrays(tensors, rest)
  const [parameters, buffers] = [new Map<string, Tensor>(), new Map<string, Tensor>()]
  tensors.forEach(({ names, role, shape, dtype }, i) => {
    if (!Array.isArray(names)) throw unreadable()
    const tensor = Tensor.from(arrays[i] as TypedArray, shape, { dtype })
    for (const name of names) (role === 'parameter' ? parameters : buffers).set(String(name), tensor)
  })
  return { parameters, buffers, ...(record !== undefined && { record: parseRecord(JSON.stringify(record)) }) }
}

function told(error: unknown): EspalierError {
  const { code, message, detail, hint } = (error ?? {}) as Record<string, unknown>
  const known = typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'ERR_MODEL_FILE'
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return new EspalierError(known, text(message) ?? 'the file was refused', { detail: text(detail), hint: text(hint) })
}

function aborted(stop: AbortSignal): EspalierError {
  return new EspalierError('ERR_ABORTED', 'the work was cancelled', { cause: stop.reason })
}
