import type { ChannelGroups } from '../graph/groups.js'
import type { ParameterOwner } from '../importance/index.js'
import type { Stepping } from './stability.js'

/** The units of one group that a plan removes. */
export interface RemovedUnits {
  /** {@link ChannelGroup.id} */
  group: number
  units: readonly number[]
}

/** State of a regularizer: plain data that JSON keeps exactly (`reg` holds float32 values). */
export interface RegularizerState {
  schema: 1
  /** Name of the regularizer that wrote it. */
  name: string
  /** Optimizer steps so far, in the regularized phase. */
  iteration: number
  /** Growth steps so far. */
  updates: number
  /** Penalty of each unit, by group id; the unit of weight decay. */
  reg: readonly (readonly number[])[]
  /** Growth steps that a group sat out because its importance was not finite, by group id. */
  skipped: readonly number[]
}

/**
 * Pushes the units that are to go towards zero while the model trains.
 *
 * Call `apply()` once per optimizer step: after `backward()` (and after unscaling and clipping), before `step()`. With
 * gradient accumulation that is once for all the backward passes of a step.
 */
export interface Regularizer {
  readonly name: string
  /** Adds `reg * w` to the gradients exactly once, then advances the schedule by one iteration. */
  apply(): Promise<void>
  /** Forces one growth step now, whatever the schedule says. */
  update(): Promise<void>
  readonly state: RegularizerState
  /** Frees the coefficient tensors; the model and its gradients stay. */
  dispose(): void
}

export interface RegularizerContext {
  /** The module in training: its parameters are penalised in place. */
  model: ParameterOwner
  groups: ChannelGroups
  /** Units chosen at the start; needed by regularizers whose `picks` is `'start'`. */
  removed?: readonly RemovedUnits[] | undefined
  /** Length of the regularized phase in optimizer steps. */
  iterations: number
  /**
   * How the optimizer steps, with the schedule's largest learning rate; when given, a penalty that would make training
   * diverge is refused with ERR_INVALID_ARGUMENT, and one above half of that bound is reported to `onWarning`.
   */
  stepping?: Stepping | undefined
  onWarning?: ((message: string) => void) | undefined
  /** Goes on from a state saved earlier; the schedule continues bit-identically. */
  state?: RegularizerState | undefined
}

/** A regularizer before it knows its model: what `greg1(options)` and `growing(options)` return. */
export interface RegularizerFactory {
  readonly name: string
  /** When the units to remove are chosen: before the regularized phase or after it. */
  readonly picks: 'start' | 'end'
  attach(context: RegularizerContext): Promise<Regularizer>
}
