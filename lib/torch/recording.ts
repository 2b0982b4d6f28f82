import { EspalierError } from '../errors.js'
import type { OpRecord, SecondRun } from '../graph/record.js'
import { array, type Entries, either, flag, like, list, maybe, object, shown, text, thing } from '../schema/index.js'
import type { RecordingHandle } from './binding.js'
import type { ModuleInput } from './module.js'
import { binding } from './runtime/index.js'

/**
 * Example inputs of other methods than `forward`, by name (`encode`, `decoder.reset`), in the order in which they are to run.
 * The defaults of arguments may be left out.
 */
export type MethodInputs = Readonly<Record<string, readonly ModuleInput[]>>

/** Which methods are cut along with `forward`. */
export interface MethodOptions {
  /**
   * Other methods than `forward` that the graph is recorded on as well, after it and on the state that it leaves: they are cut
   * and verified as `forward` is, which then runs once more, so that they take and give what they did. MACs are those of `forward`
   * alone. None by default.
   * Methods that are not named here are cut along where their code allows it; see {@link InterfaceOptions.dropMethods}.
   */
  methods?: MethodInputs | undefined
}

/** What becomes of that in a module which is not its `forward`. */
export interface InterfaceOptions {
  /**
   * Methods that may go when they can't be cut along with `forward`: by name (`encode`, `decoder.reset`), or all such (`true`).
   * None by default: a cut that would break a method is refused.
   */
  dropMethods?: readonly string[] | true | undefined
  /** Remove the tensors that neither `forward` nor a method that stays ever reads (a critic beside an actor). Default false. */
  dropUnreached?: boolean | undefined
}

/** What a cut did to that in a module which is not its `forward`. */
export interface InterfaceReport {
  /** By qualified name; of submodules only those that `forward` doesn't call. */
  readonly methods: {
    /** They compute with nothing that was cut; they may reset it. */
    readonly kept: readonly string[]
    /** They compute with what was cut, as `forward` does: what they take or give may be narrower. */
    readonly cut: readonly string[]
    readonly dropped: readonly string[]
  }
  /** Tensors that `forward` never reads, with the methods that do. They are kept whole unless `dropped`. */
  readonly unreached: readonly {
    readonly name: string
    readonly usedBy: readonly string[]
    readonly dropped: boolean
  }[]
}

/** What surgery does to a module. Nodes and inputs are those of the op record. */
export interface CutRequest extends InterfaceOptions {
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
export let wrapRecording: (record: OpRecord, handle: RecordingHandle, methods: MethodInputs) => Recording
/** @internal @throws ERR_INVALID_ARGUMENT for anything but a recording */
export let recordingHandleOf: (recording: Recording) => RecordingHandle
let isRecording: (value: unknown) => boolean

/** One run of a module, written down, together with the graph that surgery works on. */
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

/** @internal The inputs of all that a recording runs, as one list: those of `forward`, then those of the other methods. */
export function withMethods(inputs: readonly ModuleInput[], methods: MethodInputs): readonly ModuleInput[] {
  return [...inputs, ...Object.values(methods).flat()]
}

/** @internal The inverse of {@link withMethods}. */
export function splitInputs(
  all: readonly ModuleInput[],
  methods: MethodInputs,
): { inputs: readonly ModuleInput[]; methods: MethodInputs } {
  const counts = methodCounts(methods)
  const rest = [...all]
  const others: [string, ModuleInput[]][] = []
  for (const [name, count] of counts.reverse()) others.unshift([name, rest.splice(rest.length - count)])
  return { inputs: rest, methods: Object.fromEntries(others) }
}

/** @internal Names and numbers of inputs, as the native side takes them. */
export const methodCounts = (methods: MethodInputs) =>
  Object.entries(methods).map(([name, inputs]) => [name, inputs.length] as const)

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

const NAMES = list(text(), 'a list of names')

/** @internal */
export const INTERFACE_REPORT = object<InterfaceReport>({
  methods: object<InterfaceReport['methods']>({ kept: NAMES, cut: NAMES, dropped: NAMES }),
  unreached: list(
    object<InterfaceReport['unreached'][number]>({ name: text(), usedBy: NAMES, dropped: flag }),
    'a list of tensors',
  ),
})

/** @internal */
export const INTERFACE_ENTRIES: Entries<InterfaceOptions> = {
  dropMethods: maybe(
    either(
      'true or a list of names of methods',
      NAMES,
      thing<true>('true', (value) => value === true),
    ),
  ),
  dropUnreached: maybe(flag),
}

/** @internal Its edits are checked against the graph, on the native side. */
export const CUT_REQUEST = like<CutRequest>('a cut request, as compileCut() gives it', {
  slices: array('a list'),
  constants: array('a list'),
  scaled: array('a list'),
  rewrites: array('a list'),
  tensors: maybe(array('a list')),
  selects: maybe(array('a list')),
  scatters: maybe(array('a list')),
  ...INTERFACE_ENTRIES,
})
