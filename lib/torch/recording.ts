import { EspalierError } from '../base/errors.js'
import type { RecordingHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import type { OpRecord, SecondRun } from '../record/record.js'
import { array, like, maybe, shown, thing } from '../schema/index.js'

/** What surgery does to a module. Nodes and inputs are those of the op record. */
export interface CutRequest {
  /** What stays of a parameter or buffer, by its first name; its other names follow. */
  readonly slices: readonly { name: string; dim: number; keep: Int32Array }[]
  /** An input of a node becomes this constant; with `element`, only that element of a list that it takes. */
  readonly constants: readonly {
    node: number
    input: number
    element?: number
    value: number | boolean | number[] | null | { shape: number[]; data: number[] | Float32Array }
  }[]
  /**
   * An int computed at run time is multiplied, then floor-divided. Before that it is computed anew, for this place alone,
   * with the sizes in `entries` (what the node gives, or an element of the list of `size` that it gives) multiplied and divided each.
   */
  readonly scaled: readonly {
    node: number
    input: number
    element?: number
    multiply: number
    divide: number
    entries?: readonly { node: number; element?: number; size?: number; multiply: number; divide: number }[]
  }[]
  /** An operator that must change its form: split or chunk into unequal parts, a slice into an irregular selection, a block of an `if` into an exception. */
  /** The constant tensor that is read there is sliced, for this use only. */
  readonly tensors?: readonly {
    node: number
    input: number
    element?: number
    slices: readonly { dim: number; keep: Int32Array }[]
  }[]
  /** A tensor that the node takes is first reduced to `keep` along `dim`. */
  readonly selects?: readonly { node: number; input: number; dim: number; keep: Int32Array }[]
  /** What the node gives is put back to `size` coordinates along `dim`: zeros but for `keep`. */
  readonly scatters?: readonly { node: number; output: number; dim: number; size: number; keep: Int32Array }[]
  readonly rewrites: readonly (
    | { node: number; form: 'split_with_sizes'; sizes: number[] }
    | { node: number; form: 'index_select'; dim: number; indices: number[] }
    | { node: number; form: 'squeeze'; dims: number[] }
    | { node: number; form: 'close'; block: 0 | 1 }
  )[]
}

/**
 * An operator of a traced model that follows train() and eval() again. Tracing makes its mode a constant: a trace taken in
 * eval mode keeps batch norm frozen and dropout off for ever, one taken in train mode is wrong in eval.
 */
export interface TrainEvalRepair {
  /** Path of the module that the operator belongs to; empty for the root. */
  readonly scope: string
  /** `aten::batch_norm`, `aten::dropout`, … */
  readonly operator: string
  /** Whether it was stuck in training mode. */
  readonly was: boolean
}

/** @internal Set once, by the class below. */
export let wrapRecording: (record: string, handle: RecordingHandle) => Recording
/** @internal @throws ERR_INVALID_ARGUMENT for anything but a recording */
export let recordingHandleOf: (recording: Recording) => RecordingHandle
let isRecording: (value: unknown) => boolean

/** One run of a module, written down, together with the graph that surgery works on. */
export class Recording {
  /** Every operator that ran, as plain data. */
  readonly record: OpRecord
  readonly #handle: RecordingHandle
  #disposed = false

  private constructor(record: OpRecord, handle: RecordingHandle) {
    this.record = record
    this.#handle = handle
  }

  static {
    wrapRecording = (record, handle) => new Recording(parseRecord(record), handle)
    isRecording = (value) => typeof value === 'object' && value !== null && #handle in value
    recordingHandleOf = (recording) => {
      if (isRecording(recording)) return recording.#handle
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Recording was expected, not ${shown(recording)}`)
    }
  }

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

  [Symbol.dispose](): void {
    recordingHandleOf(this)
    this.dispose()
  }
}

/** The record as the native side writes it: JSON in which a Map is an array of pairs. */
type RecordJson = Omit<OpRecord, 'secondRun'> & {
  secondRun?: { batch: number; scalars: [number, number | boolean | string | null][]; shapes: [number, number[]][] }
}

/** @internal */
export function parseRecord(text: string): OpRecord {
  const { secondRun, ...record } = JSON.parse(text) as RecordJson
  if (secondRun === undefined) return record
  const second: SecondRun = { ...secondRun, scalars: new Map(secondRun.scalars), shapes: new Map(secondRun.shapes) }
  return { ...record, secondRun: second }
}

/** @internal */
export const RECORDING = thing<Recording>('a Recording, as record() gives it', (value) => isRecording(value))

/** @internal Its edits are checked against the graph, on the native side. */
export const CUT_REQUEST = like<CutRequest>('a cut request, as compileCut() gives it', {
  slices: array('a list'),
  constants: array('a list'),
  scaled: array('a list'),
  rewrites: array('a list'),
  tensors: maybe(array('a list')),
  selects: maybe(array('a list')),
  scatters: maybe(array('a list')),
})
