import type { EspalierError } from '../base/errors.js'
import type { CutRequest, InterfaceReport } from '../record/cut-request.js'
import type { DType } from '../record/record.js'

/** Arrays that hold the elements of a tensor. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray

/** Where a tensor lives. Espalier's own operators are there for the CPU and for CUDA. */
export type Device = 'cpu' | `${'cuda' | 'xpu' | 'mtia'}:${number}`

/**
 * How much a file may ask for before anything of it runs; beyond it `load` throws ERR_LIMIT. Time is limited by `signal`:
 * `AbortSignal.timeout(ms)`.
 */
export interface LoadLimits {
  /** Entries of the archive. Default 100,000. */
  entries?: number | undefined
  /** Bytes of all compressed entries once inflated. Default 1 GiB. (Models are stored uncompressed as a rule.) */
  inflated?: number | undefined
  /** Bytes of all values and tensors. Default: four times the file, at least 4 GiB. */
  memory?: number | undefined
  /**
   * How deep values, types, calls and the program's brackets, operators and blocks may be nested: at most 2,000, for which
   * there is stack. Default 256.
   */
  depth?: number | undefined
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

// Native objects in JavaScript's hands: bare objects without properties that carry a type tag. A wrong one is refused.
declare const kind: unique symbol
export interface TensorHandle {
  readonly [kind]: 'tensor'
}
export interface ModuleHandle {
  readonly [kind]: 'module'
}
export interface RecordingHandle {
  readonly [kind]: 'recording'
}
export interface TrialHandle {
  readonly [kind]: 'trial'
}
export interface HookHandle {
  readonly [kind]: 'hook'
}
export interface PenaltyHookHandle {
  readonly [kind]: 'penalty hook'
}
export interface CancelHandle {
  readonly [kind]: 'cancel'
}

/** How a job runs on the runner's thread. */
export interface JobOptions {
  grad?: boolean
  flushDenormals?: boolean
  cancel?: CancelHandle
}

/** A method beside `forward`, with the number of its inputs that are given. */
export type MethodCount = readonly [name: string, inputs: number]

/** What goes in: tensor handles, numbers, strings, arrays, plain objects, Maps. */
export type NativeInput = unknown

/** What comes out. Lists and tuples are arrays, dicts are Maps. */
export type NativeOutput =
  | TensorHandle
  | number
  | bigint
  | boolean
  | string
  | null
  | NativeOutput[]
  | Map<NativeOutput, NativeOutput>

/** `place` is the tensor's number in the output of a module; 0 for a tensor. `undefined`: nothing takes the value's place. */
export type NativeGradientHook = (gradient: TensorHandle, place: number) => TensorHandle | undefined
export type NativeForwardHook = (output: NativeOutput, inputs: NativeOutput[]) => NativeInput | undefined

/** How a program went. */
export interface Course {
  /** Node and condition of each `if`, in order. */
  turns: [node: number, condition: boolean][]
  /** The least precise dtype to which wider floating-point numbers were cut. */
  narrowed?: DType
}

/** A tensor with every name it has, in state_dict order. */
export interface NamedHandle {
  names: string[]
  tensor: TensorHandle
}

export type NativeExtraFiles = readonly (readonly [name: string, content: Uint8Array])[]

/** What libespalier_core exports. Only lib/torch uses it. */
export interface NativeBinding {
  init(classes: { EspalierError: typeof EspalierError }): void
  torchVersion(): string
  manualSeed(seed: number): void
  setThreads(threads: number): void
  threads(): number

  createCancel(): CancelHandle
  cancel(cancel: CancelHandle): void
  /** The job that runs with this handle did not end though it was cancelled: its promise is rejected, its thread left behind. */
  leaveBehind(cancel: CancelHandle): void

  tensorFrom(
    data: TypedArray,
    shape: readonly number[],
    dtype: string,
    device: Device,
    requiresGrad: boolean,
  ): TensorHandle
  tensorData(tensor: TensorHandle): TypedArray
  tensorItem(tensor: TensorHandle): number
  tensorShape(tensor: TensorHandle): number[]
  tensorDType(tensor: TensorHandle): DType
  tensorDevice(tensor: TensorHandle): string
  tensorRequiresGrad(tensor: TensorHandle): boolean
  tensorSetRequiresGrad(tensor: TensorHandle, on: boolean): void
  tensorGrad(tensor: TensorHandle): TensorHandle | null
  tensorSetGrad(tensor: TensorHandle, grad: TensorHandle | null): void
  tensorSame(tensor: TensorHandle, other: TensorHandle): boolean
  tensorDispose(tensor: TensorHandle): void
  tensorBackward(
    tensor: TensorHandle,
    gradient: TensorHandle | null,
    retainGraph: boolean,
    options: JobOptions,
  ): Promise<void>
  tensorBackwardSync(tensor: TensorHandle, gradient: TensorHandle | null, retainGraph: boolean): void

  tensorRegisterHook(tensor: TensorHandle, hook: NativeGradientHook): HookHandle
  moduleRegisterHook(module: ModuleHandle, name: string, kind: 'forward', hook: NativeForwardHook): HookHandle
  moduleRegisterHook(module: ModuleHandle, name: string, kind: 'backward', hook: NativeGradientHook): HookHandle
  hookRemove(hook: HookHandle): void

  /** `layout` is int64 [parameters, 4], as `espalier::reg_plan` gives it. */
  penaltyHook(parameters: readonly TensorHandle[], layout: TensorHandle, coefficients: TensorHandle): PenaltyHookHandle
  penaltyHookSet(hook: PenaltyHookHandle, armed: boolean, scale: number): void
  penaltyHookFinish(hook: PenaltyHookHandle, scale: number, options: JobOptions): Promise<void>
  penaltyHookReset(hook: PenaltyHookHandle): void
  penaltyHookRemove(hook: PenaltyHookHandle): void

  call(op: string, args: readonly NativeInput[], grad: boolean): NativeOutput
  run(
    program: readonly { op: string; args: readonly NativeInput[] }[],
    options: JobOptions,
    returns: readonly number[] | undefined,
  ): Promise<NativeOutput[]>

  moduleLoad(
    source: string | Uint8Array,
    name: string,
    device: string | null,
    options: JobOptions,
    limits?: LoadLimits | undefined,
    frozen?: boolean,
  ): Promise<ModuleHandle>
  /** Names and tensors; a qualified name makes submodules. */
  moduleDefine(
    source: string,
    parameters: readonly (readonly [string, TensorHandle])[],
    buffers: readonly (readonly [string, TensorHandle])[],
  ): Promise<ModuleHandle>
  /** The module's own extra files, or these in their place. */
  moduleSave(
    module: ModuleHandle,
    path: string,
    extraFiles: NativeExtraFiles | undefined,
    options: JobOptions,
  ): Promise<void>
  moduleBytes(module: ModuleHandle, extraFiles: NativeExtraFiles | undefined, options: JobOptions): Promise<Uint8Array>
  moduleExtraFiles(module: ModuleHandle): NativeExtraFiles
  moduleParameters(module: ModuleHandle): NamedHandle[]
  moduleBuffers(module: ModuleHandle): NamedHandle[]
  moduleTraining(module: ModuleHandle): boolean
  moduleTrain(module: ModuleHandle, mode: boolean): void
  moduleForward(module: ModuleHandle, inputs: readonly NativeInput[], options: JobOptions): Promise<NativeOutput>
  /** Milliseconds of the run alone, without the way to the native thread and back. */
  moduleTime(module: ModuleHandle, inputs: readonly NativeInput[], options: JobOptions): Promise<number>
  moduleForwardSync(module: ModuleHandle, inputs: readonly NativeInput[], options: JobOptions): NativeOutput
  /** Of the module, or `child.method` of a submodule. */
  moduleCall(
    module: ModuleHandle,
    method: string,
    inputs: readonly NativeInput[],
    options: JobOptions,
  ): Promise<NativeOutput>
  moduleMethods(module: ModuleHandle): string[]
  /** Names of the inputs of its `forward`. */
  moduleArguments(module: ModuleHandle): string[]
  moduleTo(
    module: ModuleHandle,
    device: string | null,
    dtype: string | null,
    options: JobOptions,
  ): Promise<ModuleHandle>
  /** Changes how the tensors of the module given lie: it is a copy of one's own. */
  moduleFreeze(module: ModuleHandle, channelsLast: boolean, options: JobOptions): Promise<ModuleHandle>
  moduleDispose(module: ModuleHandle): void

  /** `record` is an OpRecord as JSON; see recording.ts. `inputs` has those of the `methods` behind those of `forward`. */
  moduleRecord(
    module: ModuleHandle,
    inputs: readonly NativeInput[],
    options: JobOptions & { execute: boolean; methods: readonly MethodCount[] },
  ): Promise<{ record: string; forwardOps: number; handle: RecordingHandle }>
  moduleCut(
    module: ModuleHandle,
    recording: RecordingHandle,
    request: CutRequest,
    options: JobOptions,
  ): Promise<{ module: ModuleHandle; report: InterfaceReport }>
  /** Over all runs of each operator; `null` for one that did not run. */
  moduleObserve(
    module: ModuleHandle,
    recording: RecordingHandle,
    inputs: readonly NativeInput[],
    places: readonly { node: number; input: number; dim: number }[],
    options: JobOptions,
  ): Promise<({ mean: TensorHandle; spread: TensorHandle } | null)[]>
  trialOpen(module: ModuleHandle, methods: readonly MethodCount[]): TrialHandle
  /** The same each time: the module, the inputs and the random numbers of the user stay as they are. */
  trialRun(trial: TrialHandle, inputs: readonly NativeInput[], seed: number, options: JobOptions): Promise<NativeOutput>
  trialDispose(trial: TrialHandle): void
  /** The tensors that operators give, by their places in the record; those of an operator in the order of its results. */
  moduleCapture(
    module: ModuleHandle,
    recording: RecordingHandle,
    inputs: readonly NativeInput[],
    ops: readonly number[],
    seed: number,
    options: JobOptions,
  ): Promise<TensorHandle[][]>
  /** Milliseconds by node, for each round, without those of the warm-up; 0 for one that did not run. */
  moduleNodeTimes(
    module: ModuleHandle,
    recording: RecordingHandle,
    inputs: readonly NativeInput[],
    rounds: number,
    warmUp: number,
    options: JobOptions,
  ): Promise<Float64Array[]>
  /** On shapes alone; `null` when the program does not run on such inputs. */
  moduleCourse(
    module: ModuleHandle,
    recording: RecordingHandle,
    inputs: readonly NativeInput[],
    options: JobOptions,
  ): Promise<Course | null>
  moduleRepair(
    module: ModuleHandle,
    wanted: (scope: string, operator: string, was: boolean) => boolean,
  ): TrainEvalRepair[]
  checkpointWrite(path: string, entries: Readonly<Record<string, NativeInput>>): Promise<void>
  checkpointRead(path: string): Promise<NativeOutput>
  /** Of LibTorch's generators, by device. */
  randomState(): Promise<NativeOutput>
  /** A device that is not here is left out. */
  setRandomState(device: string, state: TensorHandle): Promise<void>

  /** Until LibTorch is refused memory on the CPU, the whole process counted. */
  setMemoryLimit(bytes: number): void
  /** Takes all rights but those over open channels from this process, for ever; it may take `bytes` more memory. */
  enterSandbox(bytes: number): void

  recordingDispose(recording: RecordingHandle): void
}
