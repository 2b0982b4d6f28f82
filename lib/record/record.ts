/**
 * The op record: what one run of a TorchScript model did, as plain data.
 *
 * It is the only thing that the analysis reads. The native side writes it; a test can write it by hand; another reader
 * could write it one day.
 */

/** Bytes of an element of each type, by the names that PyTorch gives them; not known of those that have no array here. */
export const ELEMENT_BYTES = {
  ...({ float32: 4, float64: 8, float16: 2, bfloat16: 2 } as const),
  ...({ int64: 8, int32: 4, int16: 2, int8: 1, uint8: 1, bool: 1, other: undefined } as const),
} as const

/** Element type of a tensor, by the name that PyTorch gives it; `other` for those that JavaScript has no array for. */
export type DType = keyof typeof ELEMENT_BYTES

export const DTYPES = Object.keys(ELEMENT_BYTES) as readonly DType[]

export function isFloating(dtype: DType): boolean {
  return /^b?float/.test(dtype)
}

/** Index into {@link OpRecord.values}. */
export type ValueId = number

/** An argument of an operator: one value, or a list or tuple of arguments. A missing optional is a value of kind `none`. */
export type Arg = ValueId | readonly Arg[]

/**
 * No operator: the program takes elements of a list or dict by a number that it computes, or puts one where that says. The
 * first input holds what the list holds; the others are the numbers. It gives nothing: what is taken keeps its own id.
 */
export const CHOICE = 'prim::Choose'

/** Every value in nested arguments, in order. */
export function flat(args: Arg | readonly Arg[]): ValueId[] {
  const ids: ValueId[] = []
  gather(args, ids)
  return ids
}

function gather(args: Arg | readonly Arg[], ids: ValueId[]): void {
  if (typeof args === 'number') ids.push(args)
  else for (const arg of args) gather(arg, ids)
}

/** A tensor of a run, without its elements. */
export interface TensorValue {
  kind: 'tensor'
  shape: readonly number[]
  dtype: DType
  /**
   * Where the tensor comes from: an example input, a parameter or buffer of the module, a constant of the graph, or
   * (absent) an operator of this record.
   */
  role?: 'input' | 'parameter' | 'buffer' | 'constant'
  /** Qualified names of a parameter or buffer, in state_dict order; several when tied. The first is its name here. */
  names?: readonly string[]
  /** Elements in row-major order, for integer and boolean tensors that are constants, buffers or 0-d (at most 1 M). */
  data?: readonly number[]
  /**
   * Another run may find a tensor of other sizes, dimensions and type there: a method resizes it, puts another in its place
   * beyond what this record tells, or into the list that holds it.
   */
  replaced?: true
}

/** A number, string, … that is no tensor. `value` is `null` when it has no plain form. */
export interface ScalarValue {
  kind: 'int' | 'float' | 'bool' | 'string' | 'none' | 'other'
  value: number | boolean | string | null
  /**
   * Read from an attribute that a method sets or writes into, or the length of a list or dict there: another run may find
   * another value.
   */
  role?: 'state'
}

/** A value of a run. */
export type RecordValue = TensorValue | ScalarValue

/** One operator of a run. */
export interface OpEntry {
  /** Qualified operator name without overload: `aten::conv2d`, `prim::NumToTensor`. */
  name: string
  /** Overload name, empty for none: `Tensor`, `int`. */
  overload: string
  /** Argument names of the schema, as long as `inputs`; empty for operators without a schema. */
  argNames: readonly string[]
  inputs: readonly Arg[]
  outputs: readonly Arg[]
  /** Module path in which the operator ran, `layer1.0.conv1`; empty for the root. */
  scope: string
  /** Index of the graph node, stable between the record and surgery. Input `i` here is input `i` of the node. */
  node: number
  /** The schema says that the operator writes to one of its inputs. */
  mutates: boolean
  /** It ran only to learn what a branch not taken asks for; its results are not part of the run. */
  speculative: boolean
  /** Its first argument is a list that the program writes out there: it holds as many elements in every run. */
  literal?: boolean
}

/** What became of a block that the run did not enter (the other side of an `if`, the body of a loop of zero rounds). */
export interface SkippedBlock {
  node: number
  scope: string
  kind: 'if' | 'loop'
  /**
   * `executed`: run speculatively on the same inputs, its operators are in the record. `raises`: it only ends in an
   * exception, so nothing flows out of it. `failed`: it could not be run.
   */
  outcome: 'executed' | 'raises' | 'failed'
  /** The flag that chose the block of an `if`; the number of rounds of a loop. */
  condition?: ValueId
  /** Tensors from outside that it reads (parameters and buffers included). */
  reads: readonly ValueId[]
  /** Outputs of the `if`: as the taken block gave them and, when executed, as this block gave them. */
  merges: readonly { taken: Arg; skipped?: Arg }[]
}

/** The same run at another batch size: concrete values by the same {@link ValueId}, only where they differ. */
export interface SecondRun {
  /** Batch size of the example's first input in this run. */
  batch: number
  /** Value of scalars and 0-d integer tensors that differ from the first run. */
  scalars: ReadonlyMap<ValueId, number | boolean | string | null>
  /** Shapes of tensors that differ from the first run. */
  shapes: ReadonlyMap<ValueId, readonly number[]>
}

/** One run of a model, written down: every operator in order, and every value. Plain data. */
export interface OpRecord {
  values: readonly RecordValue[]
  /** In execution order. */
  ops: readonly OpEntry[]
  /** How many of them, from the first, ran in `forward`; the others in methods that were recorded with it. Absent: all. */
  forwardOps?: number
  skipped: readonly SkippedBlock[]
  inputs: readonly Arg[]
  output: Arg
  /** False when the run was on shapes alone: only whole numbers and single values were computed. */
  executed: boolean
  /** Absent when the model does not accept another batch size, with the reason in `secondRunError`. */
  secondRun?: SecondRun
  secondRunError?: string
}
