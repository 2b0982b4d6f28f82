import { EspalierError } from '../errors.js'
import { binding } from './runtime/index.js'
import { handleOf, type Tensor } from './tensor.js'

/**
 * Adds the penalty of a regularizer to each gradient as soon as a backward pass has it, natively: `apply()` then only adds to
 * parameters that no pass has reached. Each gets it once, however many passes there are before `apply()`.
 */
export class PenaltyHook {
  readonly #handle
  #armed = true
  #scale = 1
  #removed = false

  /** @internal `layout` is int64 [parameters, 4], as `espalier::reg_plan` gives it. */
  constructor(parameters: readonly Tensor[], layout: Tensor, coefficients: Tensor) {
    this.#handle = binding().penaltyHook(parameters.map(handleOf), handleOf(layout), handleOf(coefficients))
  }

  /**
   * Whether passes add the penalty; true at first. With several passes for one step, arm it for the last one. It holds for the
   * pass that runs: set it between two passes, not while one is awaited.
   */
  get armed(): boolean {
    return this.#armed
  }

  set armed(armed: boolean) {
    binding().penaltyHookSet(this.#handle, armed, this.#scale)
    this.#armed = armed
  }

  /** What the gradients are multiplied by until they are unscaled: the loss scale. 1 at first. */
  get scale(): number {
    return this.#scale
  }

  /** @throws ERR_INVALID_ARGUMENT when it isn't finite */
  set scale(scale: number) {
    if (!Number.isFinite(scale)) throw new EspalierError('ERR_INVALID_ARGUMENT', `scale must be finite, not ${scale}`)
    binding().penaltyHookSet(this.#handle, this.#armed, scale)
    this.#scale = scale
  }

  get removed(): boolean {
    return this.#removed
  }

  /** For a step that isn't made: the gradients, and the penalty in them, were thrown away. */
  reset(): void {
    binding().penaltyHookReset(this.#handle)
  }

  /** Passes add nothing any more; what they added stays. May be called again. */
  remove(): void {
    this.#removed = true
    binding().penaltyHookRemove(this.#handle)
  }

  /** @internal Adds what is missing; afterwards each parameter may get the penalty again. */
  finish(scale: number): Promise<void> {
    return binding().penaltyHookFinish(this.#handle, scale, { flushDenormals: true })
  }
}
