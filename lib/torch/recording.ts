import { EspalierError } from '../base/errors.js'
import { array, like, maybe, shown, thing } from '../base/schema/index.js'
import type { RecordingHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import type { CutRequest } from '../record/cut-request.js'
import type { OpRecord } from '../record/record.js'
import { INTERFACE_ENTRIES, type MethodInputs } from './interface.js'

/** @internal Set once, by the class below. */
export let wrapRecording: (record: OpRecord, handle: RecordingHandle, methods: MethodInputs) => Recording
/** @internal @throws ERR_INVALID_ARGUMENT for anything but a recording */
export let recordingHandleOf: (recording: Recording) => RecordingHandle
let isRecording: (value: unknown) => boolean

/**
 * One run of a module, written down, together with the graph that surgery works on: what {@link ScriptModule.record} gives.
 *
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 *
 * const model = await load('model.pt')
 * const recording = await model.record([Tensor.zeros([1, 3, 8, 8])])
 * const { record } = recording
 * recording.dispose()
 * console.log(record.ops.map(({ name }) => name).includes('aten::batch_norm')) // true
 * ```
 */
export class Recording {
  /** Every operator that ran, as plain data. */
  readonly record: OpRecord
  /** With which inputs methods beside `forward` ran after it. */
  readonly methods: MethodInputs
  readonly #handle: RecordingHandle
  #disposed = false

  private constructor(record: OpRecord, handle: RecordingHandle, methods: MethodInputs) {
    this.record = record
    this.methods = methods
    this.#handle = handle
  }

  static {
    wrapRecording = (record, handle, methods) => new Recording(record, handle, methods)
    isRecording = (value) => typeof value === 'object' && value !== null && #handle in value
    recordingHandleOf = (recording) => {
      if (isRecording(recording)) return recording.#handle
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Recording was expected, not ${shown(recording)}`)
    }
  }

  /** Whether its graph was let go of. */
  get disposed(): boolean {
    recordingHandleOf(this)
    return this.#disposed
  }

  /** Lets go of the graph; `record` stays. May be called again. */
  dispose(): void {
    const handle = recordingHandleOf(this)
    if (this.#disposed) return
    this.#disposed = true
    binding().recordingDispose(handle)
  }

  /** {@link Recording.dispose}, for `using`. */
  [Symbol.dispose](): void {
    recordingHandleOf(this)
    this.dispose()
  }
}

/** @internal */
export const RECORDING = thing<Recording>('a Recording, as record() gives it', (value) => isRecording(value))

/** @internal Its edits are checked against the graph, on the native side. */
export const CUT_REQUEST = like<CutRequest>('a cut request, as compileCut() gives it', {
  slices: maybe(array('a list')),
  constants: maybe(array('a list')),
  scaled: maybe(array('a list')),
  tensors: maybe(array('a list')),
  rewrites: maybe(array('a list')),
  closed: maybe(array('a list')),
  ...INTERFACE_ENTRIES,
})
