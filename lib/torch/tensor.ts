import { inspect } from 'node:util'
import { EspalierError } from '../base/errors.js'
import { volume } from '../base/numbers.js'
import { count, flag, list, maybe, object, oneOf, shown, signal, signature, thing } from '../base/schema/index.js'
import type { Device, TensorHandle, TypedArray } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { DTYPES, type DType } from '../record/record.js'
import { type RunOptions, withSignal } from './abort.js'
import { toElements } from './elements.js'
import { type GradientHook, gradientHook, type HookRegistration, registration } from './hooks.js'
import { track, untrack } from './scope.js'

/** What a new tensor is. */
export interface TensorOptions {
  /** `float32` by default; of a typed array the type of its elements, of bigints `int64`. */
  dtype?: DType | undefined
  /** Default `'cpu'`. */
  device?: Device | undefined
  /** Whether autograd follows what is done with it. Default false. */
  requiresGrad?: boolean | undefined
}

/** Options of {@link Tensor.backward}. */
export interface BackwardOptions extends Pick<RunOptions, 'signal' | 'flushDenormals'> {
  /** Gradient of the loss with respect to this tensor, of its shape. Default 1, for a tensor of one element. */
  gradient?: Tensor | undefined
  /** Keep what autograd saved, for another backward. Default false. */
  retainGraph?: boolean | undefined
}

/** @internal Set once, by the class below: what only lib/torch may do. */
export let wrapTensor: (handle: TensorHandle) => Tensor
/** @internal A tensor that no scope disposes of: parameters and buffers, which belong to their module. */
export let wrapOwned: (handle: TensorHandle) => Tensor
/** @internal @throws ERR_INVALID_ARGUMENT for anything but a tensor */
export let handleOf: (tensor: Tensor) => TensorHandle
let isTensor: (value: unknown) => boolean

/**
 * A tensor of LibTorch. Its memory is outside of the JavaScript heap: dispose of it with {@link Tensor.dispose} or
 * {@link scope}; garbage collection is only the net.
 *
 * Every method throws ERR_DISPOSED after `dispose()`.
 *
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 *
 * const weight = Tensor.from([1, 2, 3], [3], { requiresGrad: true })
 * const loss = weight.mul(weight).mul(Tensor.from([1, 0, 2], [3]))
 * await loss.backward({ gradient: Tensor.full([3], 1) })
 * console.log(weight.grad!.data()) // Float32Array(3) [ 2, 0, 12 ]
 * console.log(weight.to('cpu').isSame(weight)) // true
 * weight.dispose()
 * ```
 */
export class Tensor {
  readonly #handle: TensorHandle
  #disposed = false

  private constructor(handle: TensorHandle) {
    this.#handle = handle
  }

  static {
    wrapOwned = (handle) => new Tensor(handle)
    wrapTensor = (handle) => {
      const tensor = new Tensor(handle)
      track(tensor)
      return tensor
    }
    isTensor = (value) => typeof value === 'object' && value !== null && #handle in value
    handleOf = (tensor) => {
      if (isTensor(tensor)) return tensor.#handle
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a Tensor was expected, not ${shown(tensor)}`)
    }
  }

  /**
   * A tensor with a copy of `data`, in row-major order.
   *
   * @param data as many elements as the shape has; integers in range for integer dtypes, 0 or 1 for `bool`
   * @param shape sizes, integers >= 0; `[]` for a scalar
   * @throws EspalierError ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * import { Tensor } from 'espalier'
   *
   * console.log(Tensor.from([1, 2, 3, 4], [2, 2])) // Tensor([2, 2], float32, cpu)
   * console.log(Tensor.from(BigInt64Array.of(7n, 8n), [2])) // Tensor([2], int64, cpu)
   * ```
   */
  static from(
    data: TypedArray | readonly number[] | readonly bigint[],
    shape: readonly number[],
    options: TensorOptions = {},
  ): Tensor {
    TENSOR_FROM.check(options)
    const { dtype: wanted, device = 'cpu', requiresGrad = false } = options
    const { elements, dtype } = toElements(data, wanted)
    return wrapTensor(binding().tensorFrom(elements, shape, dtype, device, requiresGrad))
  }

  /**
   * Zeros, of `float32` unless `options.dtype` says otherwise.
   *
   * @param shape sizes, integers >= 0; `[]` for a scalar
   * @throws EspalierError ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * import { Tensor } from 'espalier'
   *
   * console.log(Tensor.zeros([1, 3, 8, 8])) // Tensor([1, 3, 8, 8], float32, cpu)
   * ```
   */
  static zeros(shape: readonly number[], options: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 0, options)
  }

  /**
   * A tensor with `value` everywhere; `float32` unless `options.dtype` says otherwise.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT
   */
  static full(shape: readonly number[], value: number, options: TensorOptions = {}): Tensor {
    TENSOR_FULL.check(shape, options)
    const { dtype, device } = options
    const scalar = Tensor.from([value], [], { dtype, device })
    let expanded: TensorHandle | undefined
    try {
      expanded = binding().call('aten::expand', [scalar.#handle, shape], false) as TensorHandle
      const tensor = wrapTensor(binding().call('aten::clone', [expanded, 'contiguous'], false) as TensorHandle)
      if (options.requiresGrad !== undefined) tensor.requiresGrad = options.requiresGrad
      return tensor
    } finally {
      if (expanded !== undefined) binding().tensorDispose(expanded)
      scalar.dispose()
    }
  }

  /**
   * Numbers of the standard normal distribution, by LibTorch's own generator (see `manualSeed`); else as {@link Tensor.full}.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT
   * @example
   * ```ts
   * import { Tensor } from 'espalier'
   *
   * const noise = Tensor.randn([2, 3])
   * console.log(noise.shape) // [ 2, 3 ]
   * ```
   */
  static randn(shape: readonly number[], options: TensorOptions = {}): Tensor {
    TENSOR_RANDN.check(shape, options)
    const { dtype = 'float32', device = 'cpu', requiresGrad } = options
    const tensor = wrapTensor(
      binding().call('aten::randn', [shape, dtype, 'strided', device, false], false) as TensorHandle,
    )
    if (requiresGrad !== undefined) tensor.requiresGrad = requiresGrad
    return tensor
  }

  /** Sizes of the dimensions; empty for a scalar. */
  get shape(): readonly number[] {
    return binding().tensorShape(handleOf(this))
  }

  /** `other` for types that JavaScript has no array for (complex, quantized). */
  get dtype(): DType {
    return binding().tensorDType(handleOf(this))
  }

  /** Where it lives. */
  get device(): Device {
    return binding().tensorDevice(handleOf(this)) as Device
  }

  /** Number of elements. */
  get numel(): number {
    handleOf(this)
    return volume(this.shape)
  }

  /** Whether it was let go of. */
  get disposed(): boolean {
    handleOf(this)
    return this.#disposed
  }

  /** Whether autograd follows what is done with it. */
  get requiresGrad(): boolean {
    return binding().tensorRequiresGrad(handleOf(this))
  }

  /** Only for leaves with a floating-point dtype. */
  set requiresGrad(on: boolean) {
    binding().tensorSetRequiresGrad(handleOf(this), on)
  }

  /** The accumulated gradient, or null. A new Tensor object of the same memory at every call: dispose of it, or use a scope. */
  get grad(): Tensor | null {
    const handle = binding().tensorGrad(handleOf(this))
    return handle === null ? null : wrapTensor(handle)
  }

  /** Same shape, dtype and device as the tensor, or null to clear it. */
  set grad(grad: Tensor | null) {
    binding().tensorSetGrad(handleOf(this), grad === null ? null : tensorHandle(grad))
  }

  /**
   * A copy of the elements in row-major order, on the CPU: a Float32Array for float32, float16 and bfloat16,
   * BigInt64Array for int64, Uint8Array for bool, and so on.
   */
  data(): TypedArray {
    return binding().tensorData(handleOf(this))
  }

  /** The value of a tensor of one element; ERR_INVALID_ARGUMENT for others. */
  item(): number {
    return binding().tensorItem(handleOf(this))
  }

  /**
   * This tensor on another device, or itself under a new handle where it is there already. Blocks for the time of the copy.
   *
   * @throws EspalierError ERR_TORCH when the device is not there
   */
  to(device: Device): Tensor {
    TENSOR_TO.check(device)
    const unchanged = null
    return wrapTensor(
      binding().call('aten::to.dtype_layout', [handleOf(this), unchanged, unchanged, device], true) as TensorHandle,
    )
  }

  /** Element by element; a tensor is broadcast, a number is added to each. So are the three that follow. Autograd follows them. */
  add(other: Tensor | number): Tensor {
    return combined('add', this, other)
  }

  /** See {@link Tensor.add}. */
  sub(other: Tensor | number): Tensor {
    return combined('sub', this, other)
  }

  /** See {@link Tensor.add}. */
  mul(other: Tensor | number): Tensor {
    return combined('mul', this, other)
  }

  /** See {@link Tensor.add}. */
  div(other: Tensor | number): Tensor {
    return combined('div', this, other)
  }

  /**
   * The same elements in another shape; one size may be -1. It shares memory where it can.
   *
   * @throws EspalierError ERR_TORCH when the sizes don't fit
   */
  reshape(...sizes: readonly number[]): Tensor {
    return wrapTensor(binding().call('aten::reshape', [handleOf(this), sizes], true) as TensorHandle)
  }

  /** Whether both are the very same tensor, not only equal. */
  isSame(other: Tensor): boolean {
    return binding().tensorSame(handleOf(this), tensorHandle(other))
  }

  /**
   * Adds the gradient of this tensor to `grad` of every leaf that it was computed from.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT when nothing here requires grad or the gradient is missing; ERR_TORCH;
   * ERR_ABORTED
   */
  async backward(options: BackwardOptions = {}): Promise<void> {
    BACKWARD.check(options)
    return withSignal(options, (job) =>
      binding().tensorBackward(handleOf(this), optional(options.gradient), options.retainGraph ?? false, job),
    )
  }

  /** As {@link Tensor.backward}, blocking the event loop until it is done. */
  backwardSync(options: Omit<BackwardOptions, 'signal' | 'flushDenormals'> = {}): void {
    BACKWARD_SYNC.check(options)
    binding().tensorBackwardSync(handleOf(this), optional(options.gradient), options.retainGraph ?? false)
  }

  /**
   * Calls `hook` with the gradient of this tensor in every backward pass, before it is added to `grad` or passed on; what it
   * returns, of the same shape, dtype and device, takes the gradient's place. Tensors made in it are disposed of after it, as is
   * the gradient: `keep` them. The backward pass waits for it; what it throws rejects `backward()`.
   *
   * @throws EspalierError ERR_INVALID_ARGUMENT when the tensor doesn't require grad
   * @example
   * ```ts
   * import { Tensor } from 'espalier'
   * import { call } from 'espalier/torch'
   *
   * const weight = Tensor.from([3], [1], { requiresGrad: true })
   * const hook = weight.registerHook((gradient) => call('aten::clamp', [gradient, -1, 1]) as Tensor)
   * await weight.mul(weight).backward()
   * console.log(weight.grad!.item()) // 1
   * hook.remove()
   * ```
   */
  registerHook(hook: GradientHook): HookRegistration {
    return registration(binding().tensorRegisterHook(handleOf(this), gradientHook(hook)))
  }

  /** Lets go of the memory. May be called again. Work in progress that uses the tensor is not disturbed. */
  dispose(): void {
    const handle = handleOf(this)
    if (this.#disposed) return
    this.#disposed = true
    untrack(this)
    binding().tensorDispose(handle)
  }

  /** {@link Tensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    handleOf(this)
    this.dispose()
  }

  /** Shape, dtype and device, in a line. */
  toString(): string {
    handleOf(this)
    return this.disposed ? 'Tensor(disposed)' : `Tensor([${this.shape.join(', ')}], ${this.dtype}, ${this.device})`
  }

  /** As {@link Tensor.toString}. */
  [inspect.custom](): string {
    handleOf(this)
    return this.toString()
  }
}

function combined(operator: string, tensor: Tensor, other: Tensor | number): Tensor {
  const self = handleOf(tensor)
  const [overload, operand] = typeof other === 'number' ? ['Scalar', other] : ['Tensor', handleOf(other)]
  return wrapTensor(binding().call(`aten::${operator}.${overload}`, [self, operand], true) as TensorHandle)
}

function optional(tensor: Tensor | undefined): TensorHandle | null {
  return tensor === undefined ? null : tensorHandle(tensor)
}

/** What is no Tensor is passed on as it is: the native side refuses it by name. */
function tensorHandle(value: Tensor): TensorHandle {
  return isTensor(value) ? handleOf(value) : (value as unknown as TensorHandle)
}

/** @internal */
export const TENSOR = thing<Tensor>('a Tensor', (value) => isTensor(value))

/** @internal */
export const DTYPE = oneOf(...DTYPES)

/** @internal */
export const isDeviceName = (value: unknown): value is Device =>
  typeof value === 'string' && /^(cpu|(cuda|xpu|mtia)(:\d{1,3})?)$/.test(value)

/** @internal */
export const DEVICE = thing<Device>("'cpu' or 'cuda:0', 'cuda:1', …", isDeviceName)

const TENSOR_OPTIONS = object<TensorOptions>({ dtype: maybe(DTYPE), device: maybe(DEVICE), requiresGrad: maybe(flag) })

const SHAPE = list(count(0), 'a list of sizes')

/** @internal Data and shape are checked where they are read. */
export const TENSOR_FROM = signature('Tensor.from', ['options', TENSOR_OPTIONS])
/** @internal */
export const TENSOR_FULL = signature('Tensor.full', ['shape', SHAPE], ['options', TENSOR_OPTIONS])
/** @internal */
export const TENSOR_RANDN = signature('Tensor.randn', ['shape', SHAPE], ['options', TENSOR_OPTIONS])
/** @internal */
export const TENSOR_TO = signature('Tensor.to', ['device', DEVICE])

const GRADIENT = { gradient: maybe(TENSOR), retainGraph: maybe(flag) }
/** @internal */
export const BACKWARD = signature('Tensor.backward', [
  'options',
  object<BackwardOptions>({ ...GRADIENT, signal: maybe(signal), flushDenormals: maybe(flag) }),
])
/** @internal */
export const BACKWARD_SYNC = signature('Tensor.backwardSync', [
  'options',
  object<Omit<BackwardOptions, 'signal' | 'flushDenormals'>>(GRADIENT),
])
