import { EspalierError } from '../../base/errors.js'
import { type Schema, thing } from '../../base/schema/index.js'

/** @internal */
export const INDICES: Schema<ArrayLike<number>> = thing('an array of numbers of examples', (value) => {
  return (Array.isArray(value) || ArrayBuffer.isView(value)) && placeOf(value as never, isNoInteger) === -1
})

const isNoInteger = (value: number) => !Number.isInteger(value)

/** The place of the first such number, or -1. Of typed arrays, too, which may be long: nothing is copied. */
function placeOf(numbers: ArrayLike<number>, isWanted: (value: number) => boolean): number {
  for (let k = 0; k < numbers.length; k++) if (isWanted(numbers[k] as number)) return k
  return -1
}

/** The numbers of all examples. */
export function allOf(examples: number): Int32Array {
  const all = new Int32Array(examples)
  for (let k = 0; k < examples; k++) all[k] = k
  return all
}

/**
 * The chosen examples, each one of `examples`; all by default.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an index out of range
 */
export function chosenOf(indices: ArrayLike<number> | undefined, examples: number): Int32Array {
  if (indices === undefined) return allOf(examples)
  const wrong = placeOf(indices, (index) => !(index >= 0 && index < examples))
  if (wrong !== -1) {
    const words = `an index is outside of the ${examples} examples: ${indices[wrong]}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  return Int32Array.from(indices)
}

/**
 * Positions must be such of examples.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for a position behind the last
 */
export function mustBeThere(positions: Int32Array, examples: number): void {
  const wrong = placeOf(positions, (position) => !(position >= 0 && position < examples))
  if (wrong === -1) return
  const words = `there is no example ${positions[wrong]}, only 0 to ${examples - 1}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}

/**
 * The chosen examples at these positions.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for a position behind the last
 */
export function rowsAt(chosen: Int32Array, positions: Int32Array): Int32Array {
  mustBeThere(positions, chosen.length)
  return positions.map((position) => chosen[position] as number)
}
