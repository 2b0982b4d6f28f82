import { inspect } from 'node:util'
import { EspalierError } from '../base/errors.js'
import { shown, thing } from '../base/schema/index.js'
import type { Device, ModuleHandle, TrainEvalRepair } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import type { CutRequest, InterfaceReport } from '../record/cut-request.js'
import type { DType } from '../record/record.js'
import { type RunOptions, type SignalOptions, withSignal } from './abort.js'
import type { ForwardHook, GradientHook, HookRegistration } from './hooks.js'
import { forwardHook, gradientHook, registration } from './hooks.js'
import {
  CALL_METHOD,
  CUT,
  FORWARD,
  FORWARD_WITH,
  MODULE_CLONE,
  MODULE_TO,
  type ModuleInput,
  type ModuleOutput,
  OBSERVE,
  type Observation,
  type ObservedPlace,
  RECORD,
  type RecordOptions,
  SAVE,
  type SaveOptions,
  TO_BUFFER,
  TRAIN_MODE,
} from './module-calls.js'
import { cut, observe, onCpu, record } from './module-graph.js'
import { bytesOf, runMethod, saveTo } from './module-run.js'
import { NamedTensors } from './named-tensors.js'
import type { Recording } from './recording.js'
import { isDeviceName, type Tensor } from './tensor.js'
import { lift, lower } from './values.js'

/** @internal Set once, by the class below. */
export let wrapModule: (
  handle: ModuleHandle,
  repairs?: readonly TrainEvalRepair[],
  report?: InterfaceReport,
) => ScriptModule
/** @internal @throws ERR_INVALID_ARGUMENT for anything but a module */
export let moduleHandleOf: (module: ScriptModule) => ModuleHandle
let isModule: (value: unknown) => boolean

/**
 * A TorchScript module. Every method throws ERR_DISPOSED after `dispose()`.
 *
 * Work on a module (forward, save, …) happens in the order in which it was asked for, in the train or eval mode that
 * held at that moment.
 *
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 *
 * const model = await load('model.pt')
 * console.log(model.parameters().get('fc.weight')) // Tensor([5, 4], float32, cpu)
 * console.log(model.buffers().size, model.methods()) // 3 [ 'forward' ]
 * console.log(await model.train().forward(Tensor.zeros([2, 3, 8, 8]))) // Tensor([2, 5], float32, cpu)
 * const half = await model.eval().to('float16')
 * await half.save('model-half.pt')
 * half.dispose()
 * ```
 */
export class ScriptModule {
  readonly #handle: ModuleHandle
  readonly #tensors = new NamedTensors()
  #disposed = false

  /** What {@link load} repaired in a traced model; empty for a scripted one. */
  readonly repairs: readonly TrainEvalRepair[]

  /** What {@link ScriptModule.cut} did to all that is not `forward`; of a module that it made. */
  readonly interface: InterfaceReport | undefined

  private constructor(handle: ModuleHandle, repairs: readonly TrainEvalRepair[], report: InterfaceReport | undefined) {
    this.#handle = handle
    this.repairs = repairs
    this.interface = report
  }

  static {
    wrapModule = (handle, repairs = [], report = undefined) => new ScriptModule(handle, repairs, report)
    isModule = (value) => typeof value === 'object' && value !== null && #handle in value
    moduleHandleOf = (module) => {
      if (isModule(module)) return module.#handle
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a ScriptModule was expected, not ${shown(module)}`)
    }
  }

  /**
   * The parameters by qualified name, in state_dict order. Tied names give the same Tensor object, and every call gives
   * the same objects; they belong to the module and are disposed of with it.
   */
  parameters(): Map<string, Tensor> {
    const handle = moduleHandleOf(this)
    return this.#tensors.of(binding().moduleParameters(handle))
  }

  /** The buffers (running statistics, …) by qualified name; as {@link ScriptModule.parameters}. */
  buffers(): Map<string, Tensor> {
    const handle = moduleHandleOf(this)
    return this.#tensors.of(binding().moduleBuffers(handle))
  }

  /** Whether the module is in training mode. */
  get training(): boolean {
    return binding().moduleTraining(moduleHandleOf(this))
  }

  /** Whether it was let go of. */
  get disposed(): boolean {
    moduleHandleOf(this)
    return this.#disposed
  }

  /** Training mode on or off, for the module and all its submodules. */
  train(mode = true): this {
    TRAIN_MODE.check(mode)
    binding().moduleTrain(moduleHandleOf(this), mode)
    return this
  }

  /** `train(false)`. */
  eval(): this {
    moduleHandleOf(this)
    return this.train(false)
  }

  /**
   * Runs the module. Autograd records it when the module is in training mode; see {@link ScriptModule.forwardWith}.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT when the inputs don't fit the signature of `forward`; ERR_DISPOSED;
   * ERR_TORCH when LibTorch refuses (a wrong shape or dtype), with the whole TorchScript traceback in `detail`
   */
  async forward(...inputs: readonly ModuleInput[]): Promise<ModuleOutput> {
    moduleHandleOf(this)
    return this.forwardWith(inputs)
  }

  /** As {@link ScriptModule.forward}, blocking the event loop until it is done. */
  forwardSync(...inputs: readonly ModuleInput[]): ModuleOutput {
    FORWARD.check(inputs)
    return lift(binding().moduleForwardSync(moduleHandleOf(this), inputs.map(lower), { grad: this.training }))
  }

  /** As {@link ScriptModule.forward}, with options. `grad` defaults to {@link ScriptModule.training}. */
  async forwardWith(inputs: readonly ModuleInput[], options: RunOptions = {}): Promise<ModuleOutput> {
    FORWARD_WITH.check(inputs, options)
    return runMethod(moduleHandleOf(this), undefined, inputs, options)
  }

  /** Names of the module's methods, `forward` among them. */
  methods(): string[] {
    return binding().moduleMethods(moduleHandleOf(this))
  }

  /**
   * Names of the inputs of `forward`, in their order; a trace has those of the traced function.
   *
   * @throws EspalierError ERR_DISPOSED
   * @example
   * ```ts
   * import { load } from 'espalier'
   *
   * console.log((await load('model.pt')).inputNames()) // [ 'x' ]
   * ```
   */
  inputNames(): string[] {
    return binding().moduleArguments(moduleHandleOf(this))
  }

  /**
   * Runs another method than `forward`: one that the module exports, or `child.method` of a submodule. Hooks on submodules
   * aren't called.
   *
   * @throws EspalierError as {@link ScriptModule.forward}; ERR_INVALID_ARGUMENT when there is no such method
   * @example
   * ```ts
   * import { load, Tensor } from 'espalier'
   *
   * const policy = await load('policy.pt')
   * console.log(await policy.callMethod('value', [Tensor.zeros([1, 6])])) // Tensor([1, 1], float32, cpu)
   * ```
   */
  async callMethod(
    method: string,
    inputs: readonly ModuleInput[] = [],
    options: RunOptions = {},
  ): Promise<ModuleOutput> {
    CALL_METHOD.check(method, inputs, options)
    return runMethod(moduleHandleOf(this), method, inputs, options)
  }

  /**
   * Calls `hook` with what a submodule gives, and with its inputs, whenever {@link ScriptModule.forward} has run it; what the
   * hook returns, of the same type, takes the output's place. Tensors made in it are disposed of after it, as are those that it
   * gets: `keep` them. The run waits for it; what it throws rejects `forward()`. Copies of the module (`clone`, `to`, `cut`)
   * have no hooks; recording, counting and verification don't call any.
   *
   * @param name qualified name of a submodule, as in `layer1.0.conv1`; `''` for the module itself
   * @throws EspalierError ERR_INVALID_ARGUMENT for a name that is none. `forward` throws ERR_UNSUPPORTED when it never calls
   *   that submodule
   * @example
   * ```ts
   * import { load, Tensor } from 'espalier'
   *
   * const model = await load('model.pt')
   * const hook = model.registerForwardHook('conv', (output) => console.log(output)) // Tensor([1, 4, 8, 8], float32, cpu)
   * await model.forward(Tensor.zeros([1, 3, 8, 8]))
   * hook.remove()
   * ```
   */
  registerForwardHook(name: string, hook: ForwardHook): HookRegistration {
    return registration(binding().moduleRegisterHook(moduleHandleOf(this), name, 'forward', forwardHook(hook)))
  }

  /**
   * Calls `hook` with the gradient of a submodule's output in every backward pass through a `forward` that was started after
   * this; what it returns, of the same shape, dtype and device, takes the gradient's place. Of an output of several tensors
   * each has a call, with its number. See {@link Tensor.registerHook}.
   *
   * @throws EspalierError as {@link ScriptModule.registerForwardHook}
   * @example
   * ```ts
   * import { load, Tensor } from 'espalier'
   * import { crossEntropy } from 'espalier/torch'
   *
   * const model = (await load('model.pt')).train()
   * model.registerBackwardHook('conv', (gradient) => console.log(gradient.shape)) // [ 2, 4, 8, 8 ]
   * const logits = (await model.forward(Tensor.zeros([2, 3, 8, 8]))) as Tensor
   * await (await crossEntropy(logits, Tensor.zeros([2], { dtype: 'int64' }))).backward()
   * ```
   */
  registerBackwardHook(name: string, hook: GradientHook): HookRegistration {
    return registration(binding().moduleRegisterHook(moduleHandleOf(this), name, 'backward', gradientHook(hook)))
  }

  /**
   * A copy that shares nothing with this module; gradients are not copied.
   *
   * @throws EspalierError ERR_ABORTED
   */
  async clone(options: SignalOptions = {}): Promise<ScriptModule> {
    MODULE_CLONE.check(options)
    const handle = await withSignal(options, (job) => binding().moduleTo(moduleHandleOf(this), null, null, job))
    return wrapModule(handle, this.repairs, this.interface)
  }

  /** Where its parameters and buffers are, by the first of them; `'cpu'` when it has none. */
  get device(): Device {
    moduleHandleOf(this)
    const [first] = [...this.parameters().values(), ...this.buffers().values()]
    return first?.device ?? 'cpu'
  }

  /**
   * A copy on another device, or with its floating-point parameters and buffers in another dtype.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT for a name that is neither; ERR_TORCH when the device is not there; ERR_ABORTED
   */
  async to(target: Device | DType, options: SignalOptions = {}): Promise<ScriptModule> {
    MODULE_TO.check(target, options)
    const isDevice = isDeviceName(target)
    const handle = await withSignal(options, (job) =>
      binding().moduleTo(moduleHandleOf(this), isDevice ? target : null, isDevice ? null : target, job),
    )
    return wrapModule(handle, this.repairs, this.interface)
  }

  /**
   * Runs `forward` once on example inputs and writes down every operator, and a second time at another batch size to
   * learn which numbers depend on it. The module does not change.
   *
   * Where the program allows it, it runs on shapes alone: whole numbers are computed, floating-point tensors are not. That
   * takes milliseconds, and no memory. A program that branches on what it computes is run for real. All of it happens on the
   * CPU, on a copy where the module is elsewhere: a number that leads beyond a table would end all work on a GPU.
   *
   * With `methods` others run after `forward`, and everything that is made from the recording is about them, too. Their inputs are
   * used again when a cut is verified: dispose of them after it.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT when the inputs don't fit, or the program doesn't run on them; ERR_UNSUPPORTED when
   *   the graph holds what can't be recorded; ERR_DISPOSED; ERR_ABORTED
   * @example
   * ```ts
   * import { load, Tensor } from 'espalier'
   *
   * using recording = await (await load('model.pt')).record([Tensor.zeros([1, 3, 8, 8])])
   * console.log(recording.record.ops[0]!.name, recording.record.ops[0]!.scope) // aten::conv2d conv
   * ```
   */
  async record(inputs: readonly ModuleInput[], options: RecordOptions = {}): Promise<Recording> {
    RECORD.check(inputs, options)
    if (this.device === 'cpu') return record(moduleHandleOf(this), inputs, options)
    const copy = await this.to('cpu', { signal: options.signal })
    return copy.record(...onCpu(inputs, options)).finally(() => copy.dispose())
  }

  /**
   * Runs the recorded graph on other inputs, in eval mode, and looks at inputs of operators on the way.
   *
   * @param recording a recording of this module
   * @param places nodes and inputs of the op record, and the dimension whose coordinates are told apart
   * @returns by place: mean of each coordinate and its spread (largest minus smallest value), over all else and all times
   * that the operator ran; `null` for one that did not run
   * @throws EspalierError as {@link ScriptModule.forward}
   */
  async observe(
    recording: Recording,
    inputs: readonly ModuleInput[],
    places: readonly ObservedPlace[],
    options: SignalOptions = {},
  ): Promise<(Observation | null)[]> {
    OBSERVE.check(recording, inputs, places, options)
    return observe(moduleHandleOf(this), recording, inputs, places, options)
  }

  /**
   * A smaller module: this one with slices of its tensors cut out and its graph edited as asked. This one does not change.
   * Other methods are cut along; see {@link ScriptModule.interface}.
   *
   * @param recording a recording of this module
   * @throws EspalierError ERR_INVALID_ARGUMENT; ERR_UNSUPPORTED also where a method can't be cut along, naming it; ERR_ABORTED
   */
  async cut(recording: Recording, request: CutRequest, options: SignalOptions = {}): Promise<ScriptModule> {
    CUT.check(recording, request, options)
    // The program was recorded on the CPU, on whose inputs the cut is tried.
    if (this.device !== 'cpu') {
      const copy = await this.to('cpu', options)
      const small = await copy.cut(recording, request, options).finally(() => copy.dispose())
      return small.to(this.device, options).finally(() => small.dispose())
    }
    const { module, report } = await cut(moduleHandleOf(this), recording, request, options)
    return wrapModule(module, [], report)
  }

  /**
   * Saves the module so that `torch.jit.load` and {@link load} read it. The file appears under its name whole or not at
   * all. The same module gives the same bytes.
   *
   * @throws EspalierError ERR_WRITE with the system's reason; ERR_ABORTED
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    SAVE.check(path, options)
    await saveTo(moduleHandleOf(this), path, options)
  }

  /** The bytes that {@link ScriptModule.save} writes. */
  async toBuffer(options: SaveOptions = {}): Promise<Uint8Array> {
    TO_BUFFER.check(options)
    return bytesOf(moduleHandleOf(this), options)
  }

  /**
   * What the module's file holds beside it, by name (`_extra_files` of `torch.jit.save`): labels, metadata. It stays with the
   * module through `clone`, `to`, `cut` and `save`.
   *
   * @example
   * ```ts
   * import { load } from 'espalier'
   *
   * const labels = (await load('labelled.pt')).extraFiles.get('labels.txt')!
   * console.log(Buffer.from(labels).toString().trim().split('\n')) // [ 'cat', 'dog' ]
   * ```
   */
  get extraFiles(): Map<string, Uint8Array> {
    return new Map(binding().moduleExtraFiles(moduleHandleOf(this)))
  }

  /** Lets go of the module and of the tensors of {@link ScriptModule.parameters} and buffers. May be called again. */
  dispose(): void {
    const handle = moduleHandleOf(this)
    if (this.#disposed) return
    this.#disposed = true
    this.#tensors.dispose()
    binding().moduleDispose(handle)
  }

  /** {@link ScriptModule.dispose}, for `using`. */
  [Symbol.dispose](): void {
    moduleHandleOf(this)
    this.dispose()
  }

  /** Its kind and size, in a line. */
  toString(): string {
    moduleHandleOf(this)
    if (this.disposed) return 'ScriptModule(disposed)'
    return `ScriptModule(${this.parameters().size} parameters, ${this.training ? 'training' : 'eval'})`
  }

  /** As {@link ScriptModule.toString}. */
  [inspect.custom](): string {
    return ScriptModule.prototype.toString.call(this)
  }
}

/** @internal */
export const MODULE = thing<ScriptModule>('a ScriptModule, as load() gives it', (value) => isModule(value))
