import type { Described } from '../base/describe.js'
import { func, like, number, text, thing } from '../base/schema/index.js'
import type { Tensor } from '../torch/index.js'
import type { PenaltyTerm } from './penalty-term.js'
import type { Stepping } from './stability.js'

/**
 * An optimizer before it knows its parameters: what `sgd(options)` returns.
 *
 * @example
 * ```ts
 * import { adamw, load } from 'espalier'
 *
 * const model = await load('model.pt')
 * const factory = adamw({ lr: 1e-3 })
 * const before = factory.bind(model.parameters())
 * await before.step()
 * // Later: goes on from where it was.
 * const after = factory.bind(model.parameters(), before.state())
 * console.log(after.state().steps) // 1
 * ```
 */
export interface OptimizerFactory extends Described {
  readonly name: string
  /** Learning rate before the schedule. */
  readonly lr: number
  /** How it steps, at this learning rate; what `checkStability` needs. */
  stepping(lr: number): Stepping
  /**
   * Takes the parameters that require gradients.
   *
   * @param state to go on from, of parameters of the same names and shapes; copied
   */
  bind(parameters: ReadonlyMap<string, Tensor>, state?: OptimizerState): Optimizer
}

/** What an optimizer keeps from step to step. */
export interface OptimizerState {
  /** Steps made so far. */
  steps: number
  /** Tensors of a parameter's shape: by name of the parameter, then of the part (`velocity`, `mean`, `square`). */
  tensors: ReadonlyMap<string, Readonly<Record<string, Tensor>>>
}

/**
 * An optimizer that is bound to parameters.
 *
 * @example
 * ```ts
 * import { sgd, Tensor } from 'espalier'
 *
 * const weight = Tensor.from([1], [1], { requiresGrad: true })
 * const optimizer = sgd({ lr: 0.1, momentum: 0.9 }).bind(new Map([['weight', weight]]))
 * await weight.mul(weight).backward()
 * await optimizer.step()
 * optimizer.zeroGrad()
 * console.log(weight.item().toFixed(2), optimizer.state().steps) // 0.80 1
 * optimizer.dispose()
 * ```
 */
export interface Optimizer {
  /** Learning rate of the next step; a schedule sets it. */
  lr: number
  /**
   * One step with the gradients as they are; parameters without one stay. Never interrupted halfway.
   *
   * @param penalty a regularizer's, added in the same pass: `optimizer.step(regularizer.term)`
   */
  step(penalty?: PenaltyTerm): Promise<void>
  /** Its own tensors as they are now; none before the first step. They stay the optimizer's. */
  state(): OptimizerState
  /** Drops all gradients. */
  zeroGrad(): void
  /** Frees the optimizer's own tensors; parameters and gradients stay. */
  dispose(): void
}

/** @internal */
export const OPTIMIZER = like<OptimizerFactory>('an optimizer, such as sgd({ lr: 0.1 })', {
  name: text(),
  lr: number({ min: 0 }),
  stepping: func(),
  bind: func(),
})

/** @internal */
export const OPTIMIZER_STATE = like<OptimizerState>('the state of an optimizer', {
  steps: number({ min: 0, integer: true }),
  tensors: thing('a Map', (value) => value instanceof Map),
})
