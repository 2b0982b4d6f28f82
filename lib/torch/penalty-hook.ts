import { EspalierError } from '../base/errors.js'
import { flag, number, shown, signature } from '../base/schema/index.js'
import type { PenaltyHookHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { handleOf, type Tensor } from './tensor.js'

/** @internal */
export const ARMED = signature('PenaltyHook.armed', ['armed', flag])
/** @internal */
export const SCALE = signature('PenaltyHook.scale', ['scale', number()])

let hookHandleOf: (hook: PenaltyHook) => PenaltyHookHandle

/**
 * Adds the penalty of a regularizer to each gradient as soon as a backward pass has it, natively: `apply()` then only adds to
 * parameters that no pass has reached. Each gets it once, however many passes there are before `apply()`.
 *
 * @example
 * ```ts
 * import { constantL2, load, Prunable, Tensor } from 'espalier'
 *
 * const { model, analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const regularizer = await constantL2().attach({ model, groups: analysis, iterations: 100 })
 * const hook = regularizer.hook()
 * for (const last of [false, true]) {
 *   hook.armed = last // the penalty comes with the last of two passes
 *   const output = (await model.train().forward(Tensor.zeros([2, 3, 8, 8]))) as Tensor
 *   await output.backward({ gradient: Tensor.full(output.shape, 0.5) })
 * }
 * hook.reset() // the gradients are thrown away: no step is made
 * console.log(hook.armed, hook.scale) // true 1
 * ```
 */
export class PenaltyHook {
  readonly #handle
  #armed = true
  #scale = 1
  #removed = false

  static {
    hookHandleOf = (hook) => {
      if (typeof hook === 'object' && hook !== null && #handle in hook) return hook.#handle
      throw new EspalierError('ERR_INVALID_ARGUMENT', `a PenaltyHook was expected, not ${shown(hook)}`)
    }
  }

  /** @internal `layout` is int64 [parameters, 4], as `espalier::reg_plan` gives it. */
  constructor(parameters: readonly Tensor[], layout: Tensor, coefficients: Tensor) {
    this.#handle = binding().penaltyHook(parameters.map(handleOf), handleOf(layout), handleOf(coefficients))
  }

  /**
   * Whether passes add the penalty; true at first. With several passes for one step, arm it for the last one. It holds for the
   * pass that runs: set it between two passes, not while one is awaited.
   */
  get armed(): boolean {
    hookHandleOf(this)
    return this.#armed
  }

  /** See the getter. */
  set armed(armed: boolean) {
    ARMED.check(armed)
    binding().penaltyHookSet(hookHandleOf(this), armed, this.#scale)
    this.#armed = armed
  }

  /** What the gradients are multiplied by until they are unscaled: the loss scale. 1 at first. */
  get scale(): number {
    hookHandleOf(this)
    return this.#scale
  }

  /** @throws ERR_INVALID_ARGUMENT when it isn't finite */
  set scale(scale: number) {
    SCALE.check(scale)
    binding().penaltyHookSet(hookHandleOf(this), this.#armed, scale)
    this.#scale = scale
  }

  /** Whether it is there no more. */
  get removed(): boolean {
    hookHandleOf(this)
    return this.#removed
  }

  /** For a step that isn't made: the gradients, and the penalty in them, were thrown away. */
  reset(): void {
    binding().penaltyHookReset(hookHandleOf(this))
  }

  /** Passes add nothing any more; what they added stays. May be called again. */
  remove(): void {
    const handle = hookHandleOf(this)
    this.#removed = true
    binding().penaltyHookRemove(handle)
  }

  /** @internal Adds what is missing; afterwards each parameter may get the penalty again. */
  async finish(scale: number): Promise<void> {
    return binding().penaltyHookFinish(hookHandleOf(this), scale, { flushDenormals: true })
  }
}
