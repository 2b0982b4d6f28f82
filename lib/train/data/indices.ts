import { EspalierError } from '../../base/errors.js'
import { type Schema, thing } from '../../base/schema/index.js'

/** @internal */
export const INDICES: Schema<ArrayLike<number>> = thing('an array of numbers of examples', (value) => {
  return (Array.isArray(value) || ArrayBuffer.isView(value)) && Array.from(value as never).every(Number.isInteger)
})

/**
 * The chosen examples, each one of `examples`; all by default.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an index out of range
 */
export function chosenOf(indices: ArrayLike<number> | undefined, examples: number): Int32Array {
  const wrong = Array.from(indices ?? []).find((index) => !(index >= 0 && index < examples))
  if (wrong !== undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `an index is outside of the ${examples} examples: ${wrong}`)
  }
  return Int32Array.from(indices ?? { length: examples }, indices === undefined ? (_, i) => i : Number)
}

/**
 * The chosen examples at these positions.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for a position behind the last
 */
export function rowsAt(chosen: Int32Array, positions: Int32Array): Int32Array {
  const wrong = [...positions].find((position) => !(chosen[position] !== undefined))
  if (wrong !== undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no example ${wrong}, only 0 to ${chosen.length - 1}`)
  }
  return Int32Array.from(positions, (position) => chosen[position]!)
}
