import type { LengthRule } from '../sizes/lengths.js'
import type { Op } from './op.js'
import type { Resize } from './resize.js'
import type { Form } from './source.js'

/** Relates the axes of an operator's arguments and gives axes to its outputs. */
export type Relate = (op: Op) => void

/** An operator as its count of MACs sees it: shapes of its arguments and of its first output. */
export interface Counted {
  shape(argument: string): readonly number[]
  shapes(argument: string): readonly (readonly number[])[]
  scalar(argument: string): unknown
  output: readonly number[]
}

/** Multiply-adds of an operator. */
export type CountMacs = (op: Counted) => number

/** All that is known of an operator. */
export interface Operator {
  /** What of its tensors can be cut, and what stays; a line of the catalogue. */
  says: string
  /** Absent where it reads no element, only shapes, types or identities: it constrains nothing then. */
  relate?: Relate
  /** Lengths of its outputs for any input; without it they are those of the example, or sizes of their own. */
  lengths?: LengthRule
  /** New widths in its arguments; without it numbers keep what they were. */
  resize?: Resize
  /** None where it has no sums of products. */
  macs?: CountMacs
  /**
   * It sums over channels, which its weight's columns read: what removed ones still gave can be put into its bias; `left
   * alone` where it isn't.
   */
  sums?: 'compensated' | 'left alone'
  /** For what computes over an axis that may be cut: what it computed with zeros where something is cut. */
  exact?: Form
  /** Its other form: itself over what is kept, in a graph where nothing is cut. */
  overKept?: Form
  /** Whether its result may share the memory of its first operand. */
  view?: true
}

/**
 * By qualified name, `aten::conv2d`, or name and overload where they differ in kind, `aten::max.other`. In-place spellings
 * (`relu_`) share the entry of the plain name.
 */
export type Family = readonly (readonly [name: string, known: Operator])[]

/** One entry for all operators of a list of names. */
export function operators(names: string, says: string, known: Omit<Operator, 'says'>): Family {
  return names.split(' ').map((name) => [`aten::${name}`, { says, ...known }])
}
