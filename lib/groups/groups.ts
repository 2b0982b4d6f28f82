/** What the analysis answers: which slices of which tensors must go together. Plain data. */

import type { FreezeReason } from '../axes/reason.js'
import type { MemberUse } from '../operators/graph.js'

/** One dimension of one parameter or buffer, and which of its coordinates belong to which unit. */
export interface Member {
  /** First qualified name of the tensor; tied names follow it. */
  name: string
  role: 'parameter' | 'buffer'
  use: MemberUse
  dim: number
  /** Size of that dimension. */
  size: number
  /**
   * Pairs: coordinate `coords[k]` belongs to unit `units[k]`, ordered by coordinate. A coordinate is removed when any of
   * its units (of any group) is.
   */
  coords: Int32Array
  units: Int32Array
}

/** What the units of a group are. */
export type GroupKind = 'channels' | 'heads' | 'head-dims' | 'conv-groups' | 'hidden'

/** Units that are cut in the same way: removing one takes a slice of every member. */
export interface ChannelGroup {
  /** Position in {@link ChannelGroups.groups}; stable for one record. */
  id: number
  kind: GroupKind
  /** Number of units. */
  size: number
  /** In graph order. */
  members: readonly Member[]
  /** Scopes (module paths) of the members' tensors, in graph order, each once. */
  scopes: readonly string[]
  /** Masked model equals the pruned one; otherwise approximate, `approximation` naming the operators and axes. */
  exact: boolean
  approximation: readonly string[]
}

/** A parameter dimension no part of which can be pruned, and why. */
export interface FrozenDimension {
  name: string
  dim: number
  size: number
  reasons: readonly FreezeReason[]
}

/** What the analysis answers, as plain data. */
export interface ChannelGroups {
  groups: readonly ChannelGroup[]
  frozen: readonly FrozenDimension[]
  /** Fraction of parameter elements that have at least one prunable dimension, 0..1. */
  coverage: number
  /** How many parameter elements each reason keeps from being pruned, largest first. */
  topReasons: readonly { reason: FreezeReason; elements: number }[]
}
