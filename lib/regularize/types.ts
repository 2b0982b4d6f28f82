import type { Described } from '../base/describe.js'
import { count, func, like, list, maybe, number, object, oneOf, text, thing } from '../base/schema/index.js'
import type { Analysis } from '../groups/index.js'
import type { Observe } from '../importance/types.js'
import type { ParameterOwner } from '../importance/weights.js'
import type { Coupling, PenaltyTerm } from '../optim/penalty-term.js'
import type { Stepping } from '../optim/stability.js'
import type { PenaltyHook } from '../torch/index.js'

/** The units of one group that a plan removes. */
export interface RemovedUnits {
  /** {@link ChannelGroup.id} */
  group: number
  units: readonly number[]
}

/** Penalty of each unit, by group id: `reg[group.id][unit]`, 0 or more; the unit of weight decay. */
export type Reg = readonly Float32Array[]

/**
 * Where a schedule is: `grow` (all units), `push` (the chosen units), `stabilize` (the penalty is held), `done` (nothing
 * more to gain: the phase may end).
 */
export type Stage = 'grow' | 'push' | 'stabilize' | 'done'

/** State of a regularizer: plain data that JSON keeps exactly (`reg` holds float32 values). */
export interface RegularizerState {
  schema: 1
  /** Name of the regularizer that wrote it. */
  name: string
  stage: Stage
  /** Optimizer steps so far, in the regularized phase. */
  iteration: number
  /** Growth steps so far. */
  updates: number
  reg: readonly (readonly number[])[]
  /** Growth steps that a group sat out because its importance was not finite, by group id. */
  skipped: readonly number[]
  /** The units to remove, once they are chosen. */
  removed?: readonly RemovedUnits[] | undefined
  /** What the schedule keeps for itself: plain data. */
  memory?: unknown
}

/** Of one step, for {@link Regularizer.apply}. */
export interface ApplyOptions {
  /** What the gradients were multiplied by: a loss scale that is not taken out before. 1 by default. */
  scale?: number | undefined
  /** Learning rate of the step to come, which a decoupled penalty needs; none by default. */
  lr?: number | undefined
}

/**
 * Pushes the units that are to go towards zero while the model trains.
 *
 * Call `apply()` once per optimizer step: after `backward()` (and after unscaling and clipping), before `step()`. With
 * gradient accumulation that is once for all the backward passes of a step. Or give `term` to `step()` of an optimizer of
 * this package, which takes it in its own pass, and call `advance()`. Or let the backward pass add it: {@link Regularizer.hook}.
 *
 * @example
 * ```ts
 * import { batches, greg1, load, Prunable, sgd, Tensor } from 'espalier'
 * import { crossEntropy } from 'espalier/torch'
 * import { data } from './data.js'
 *
 * const prunable = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const { model, analysis: groups } = prunable
 * const { removed } = prunable.plan(await prunable.score(), { budget: { macs: 0.5 } })
 * const optimizer = sgd({ lr: 0.05 }).bind(model.train().parameters())
 * const regularizer = await greg1().attach({ model, groups, removed, iterations: 10 })
 * for await (const { inputs, targets } of batches(data.train, { batchSize: 24 })) {
 *   const loss = await crossEntropy((await model.forward(...inputs)) as Tensor, targets!)
 *   await loss.backward()
 *   await regularizer.apply()
 *   await optimizer.step()
 *   optimizer.zeroGrad()
 * }
 * // In a loop that leaves the gradients as they are, the same in one pass over the weights:
 * await optimizer.step(regularizer.term)
 * await regularizer.advance()
 * console.log(regularizer.state.iteration) // 3
 * regularizer.dispose()
 * ```
 */
export interface Regularizer {
  readonly name: string
  readonly coupling: Coupling
  /** Whether the schedule has come to its end: more iterations would change nothing of the penalty. */
  readonly done: boolean
  /** For `step()`; absent for a penalty that no optimizer of this package takes in, and while a hook adds it. */
  readonly term: PenaltyTerm | undefined
  readonly state: RegularizerState
  /**
   * From now on backward passes add the penalty themselves; `apply()` is called once per step as before. The penalty is in the
   * gradients before they are unscaled or clipped then: tell `hook.scale`, and don't clip. For loops of your own; `train` has
   * better ways. The same hook until it is removed.
   *
   * @throws EspalierError ERR_UNSUPPORTED for a decoupled penalty, which is none of the gradient's, and for `bnScale`;
   *   ERR_INVALID_ARGUMENT when another regularizer has a hook on a parameter
   * @example
   * ```ts
   * import { constantL2, load, Prunable, Tensor } from 'espalier'
   *
   * const { model, analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
   * const regularizer = await constantL2().attach({ model, groups: analysis, iterations: 100 })
   * const hook = regularizer.hook()
   * const output = (await model.train().forward(Tensor.zeros([2, 3, 8, 8]))) as Tensor
   * await output.backward({ gradient: Tensor.full(output.shape, 1) })
   * await regularizer.apply()
   * console.log(regularizer.state.iteration) // 1
   * hook.remove()
   * ```
   */
  hook(): PenaltyHook
  /** Adds the penalty exactly once, then {@link Regularizer.advance}s. */
  apply(options?: ApplyOptions): Promise<void>
  /** Counts one optimizer step, made with the learning rate `lr`; every `updateEvery` steps the schedule goes on. */
  advance(options?: Pick<ApplyOptions, 'lr'>): Promise<void>
  /** Forces one growth step now, whatever the schedule says. */
  update(): Promise<void>
  /** Measures where it is; reads the weights once. */
  observe(): Promise<RegularizerEvent>
  /** Frees the regularizer's tensors; the model and its gradients stay. */
  dispose(): void
}

/** Smallest value, quartiles, largest. */
export type Quantiles = readonly [number, number, number, number, number]

/** One group of a {@link RegularizerEvent}. */
export interface GroupEvent {
  group: number
  reg: Quantiles
  /** Root of the summed squares of a unit's weights, mean over the units kept and chosen; absent where there are none. */
  kept?: number
  chosen?: number
  /** kept / chosen: how far apart they are. */
  ratio?: number
  /** Part of the chosen units that a choice by L1 at this moment would take, too. */
  overlap?: number
  /** Chosen units that are still larger than 1 % of the mean of the kept ones; absent where there are none. */
  held?: readonly number[]
}

/** A point of a trajectory. */
export interface RegularizerEvent {
  kind: 'regularizer'
  name: string
  stage: Stage
  iteration: number
  updates: number
  /** Growth steps that were skipped, over all groups. */
  skipped: number
  groups: readonly GroupEvent[]
}

/** What a regularizer is attached to. */
export interface RegularizerContext {
  /** The module in training: its parameters are penalised in place. */
  model: ParameterOwner
  groups: Analysis
  /** Units chosen at the start; needed by regularizers whose `picks` is `'start'`. */
  removed?: readonly RemovedUnits[] | undefined
  /** Chooses the units to remove by the weights of the moment; needed by regularizers whose `picks` is `'during'`. */
  pick?: (() => Promise<readonly RemovedUnits[]>) | undefined
  /** Accuracy (or another measure of which more is better) on held-out data; needed by growth in a closed loop. */
  validate?: (() => Promise<number>) | undefined
  /** Looks at what the model does with data; needed by regularizers whose criterion does. */
  observe?: Observe | undefined
  /** Length of the regularized phase in optimizer steps. */
  iterations: number
  /**
   * How the optimizer steps, with the schedule's largest learning rate; when given, a penalty that would make training
   * diverge is refused with ERR_INVALID_ARGUMENT, and one above half of that bound is reported to `onWarning`.
   */
  stepping?: Stepping | undefined
  /** Told what does no harm but should be known; nothing by default. */
  onWarning?: ((message: string) => void) | undefined
  /** Goes on from a state saved earlier; the schedule continues bit-identically. */
  state?: RegularizerState | undefined
}

/**
 * A regularizer before it knows its model: what `greg1(options)` and `growing(options)` return.
 *
 * @example
 * ```ts
 * import { growing, load, Prunable, Tensor } from 'espalier'
 *
 * const { model, analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const context = { model, groups: analysis, iterations: 100 }
 * const before = await growing({ reg: 1e-3 }).attach(context)
 * // Later: goes on from where it was.
 * const regularizer = await growing({ reg: 1e-3 }).attach({ ...context, state: before.state })
 * console.log(regularizer.state.iteration, regularizer.coupling) // 0 gradient
 * ```
 */
export interface RegularizerFactory extends Described {
  readonly name: string
  /** When the units to remove are chosen: before the regularized phase, in it, or after it. */
  readonly picks: 'start' | 'during' | 'end'
  /** Makes it ready for one model; see {@link RegularizerContext}. */
  attach(context: RegularizerContext): Promise<Regularizer>
}

/** @internal */
export const REG = thing<Reg>(
  'an array with a Float32Array of penalties for each group',
  (value) => Array.isArray(value) && value.every((ofGroup) => ofGroup instanceof Float32Array),
)

/** @internal */
export const REGULARIZER_FACTORY = like<RegularizerFactory>('a regularizer, such as greg1()', {
  name: text(),
  picks: oneOf('start', 'during', 'end'),
  attach: func(),
})

/** @internal */
export const REGULARIZER = like<Regularizer>('a regularizer that was attached: await greg1().attach(…)', {
  name: text(),
  apply: func(),
  advance: func(),
})

/** @internal */
export const APPLY_OPTIONS = object<ApplyOptions>({ scale: maybe(number()), lr: maybe(number({ min: 0 })) })

/** @internal */
export const REMOVED = list(
  object<RemovedUnits>({ group: count(0), units: list(count(0), 'a list of units') }),
  'a list of { group, units }',
)

/** @internal */
export const REGULARIZER_STATE = object<RegularizerState>({
  schema: thing('1', (value) => value === 1),
  name: text(),
  stage: oneOf('grow', 'push', 'stabilize', 'done'),
  iteration: count(0),
  updates: count(0),
  reg: list(list(number(), 'a list of penalties'), 'a list with the penalties of each group'),
  skipped: list(count(0), 'a list of counts'),
  removed: maybe(REMOVED),
  memory: maybe(thing<unknown>('plain data', () => true)),
})
