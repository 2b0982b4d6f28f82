import { EspalierError } from '../base/errors.js'
import { array, count, list, maybe, object, shown, signature, text } from '../base/schema/index.js'
import type { NativeInput, NativeOutput } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { RUN_ENTRIES, type RunOptions, withSignal } from './abort.js'
import type { Tensor } from './tensor.js'
import { lift, lower } from './values.js'

/** In a program: the result of call number `result`, or item `item` of it when it is a tuple or list. */
export interface ResultReference {
  result: number
  item?: number | undefined
}

/**
 * An argument of an operator. The operator's schema decides what it becomes: a number is an int, a float or a Scalar
 * (an int when it is an integer), null is None, an array is a list; dtypes, layouts, memory formats and devices are
 * given by name ('float32', 'strided', 'channels_last', 'cpu').
 */
export type OpArg = Tensor | number | bigint | boolean | string | null | undefined | readonly OpArg[] | ResultReference

/** The result of an operator; several results and lists are arrays. */
export type OpResult = Tensor | number | bigint | boolean | string | null | OpResult[]

/** One operator with its arguments. */
export interface OpCall {
  /** Name with overload, as in LibTorch's native_functions.yaml: `aten::mul.Tensor`. */
  op: string
  /** In the schema's order, keyword-only ones included; what is left out or undefined gets its default. */
  args: readonly OpArg[]
}

export interface ProgramOptions extends RunOptions {
  /** The calls whose results are wanted, in this order. Default: all. Other results are freed after their last use. */
  returns?: readonly number[] | undefined
}

/** @internal The arguments are checked against the operator's schema. */
export const RUN = signature(
  'run',
  ['program', list(object<OpCall>({ op: text(), args: array('an array of arguments') }), 'an array of { op, args }')],
  [
    'options',
    object<ProgramOptions>({ ...RUN_ENTRIES, returns: maybe(list(count(0), 'an array of numbers of calls')) }),
  ],
)

/**
 * Runs one operator of LibTorch at once, on the JavaScript thread: for small work. Autograd follows it unless `noGrad`.
 *
 * @param op name with overload, as in LibTorch's native_functions.yaml
 * @param args in the schema's order, keyword-only ones included; what is left out or undefined gets its default
 * @throws EspalierError ERR_INVALID_ARGUMENT for an unknown operator and for arguments that don't fit its schema (the
 *   schema is in `detail`); ERR_DISPOSED; ERR_TORCH
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { call } from 'espalier/torch'
 *
 * const both = call('aten::cat', [[Tensor.zeros([2, 3]), Tensor.zeros([1, 3])], 0]) as Tensor
 * console.log(both.shape) // [ 3, 3 ]
 * ```
 */
export function call(
  op: string,
  args: readonly Exclude<OpArg, ResultReference>[],
  options: { noGrad?: boolean | undefined } = {},
): OpResult {
  // A schema would take as long as a small operator.
  if (typeof op !== 'string' || !Array.isArray(args) || typeof options !== 'object' || options === null) {
    const message = `call: give the name of an operator, an array of arguments and options, not ${shown([op, args, options])}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', message)
  }
  return lift(binding().call(op, args.map(lower), options.noGrad !== true)) as OpResult
}

/**
 * Runs a program of operators as one job on the native thread, in the order in which jobs are started. An argument
 * `{ result: k }` stands for the result of call `k`.
 *
 * Everything is checked before the job starts; tensors that it uses stay alive, whatever is disposed of meanwhile.
 *
 * @throws EspalierError as {@link call}, and ERR_ABORTED
 * @example
 * ```ts
 * import { Tensor } from 'espalier'
 * import { run } from 'espalier/torch'
 *
 * const square = { op: 'aten::square', args: [Tensor.from([3, 4], [2])] }
 * const sum = { op: 'aten::sum', args: [{ result: 0 }] }
 * const [total] = await run([square, sum], { returns: [1] })
 * console.log((total as Tensor).item()) // 25
 * ```
 */
export async function run(program: readonly OpCall[], options: ProgramOptions = {}): Promise<OpResult[]> {
  RUN.check(program, options)
  const lowered = program.map(({ op, args }) => ({ op, args: args.map(lower) as readonly NativeInput[] }))
  const results = await withSignal(options, (job) => binding().run(lowered, job, options.returns))
  return results.map((result: NativeOutput) => lift(result) as OpResult)
}
