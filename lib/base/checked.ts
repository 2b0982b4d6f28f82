/** The function of this folder that is called in loops, for callers outside. */
import { allFinite as allAreFinite, isNumbers } from './numbers.js'
import { checked, signature, thing } from './schema/index.js'

const NUMBERS = thing<ArrayLike<number>>('an array of numbers', isNumbers)

/** @internal */
export const ALL_FINITE = signature('allFinite', ['values', NUMBERS])

/**
 * Whether no number is a NaN or an infinity.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { allFinite } from 'espalier/analysis'
 *
 * console.log(allFinite([1, 2]), allFinite(Float32Array.of(1, Number.NaN))) // true false
 * ```
 */
export const allFinite = checked(ALL_FINITE, allAreFinite)
