/** The growth rule, on plain arrays. */

import { EspalierError } from '../base/errors.js'
import { allFinite } from '../base/numbers.js'
import { number, signature, thing } from '../base/schema/index.js'

const PENALTIES = thing<Float32Array>('a Float32Array', (value) => value instanceof Float32Array)
const SCORES = thing<ArrayLike<number>>(
  'an array of numbers',
  (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value),
)
/** @internal */
export const GROW_GROUP = signature(
  'growGroup',
  ['reg', PENALTIES],
  ['importance', SCORES],
  ['deltaReg', number()],
  ['ceiling', number()],
)
/** @internal */
export const GROW_CHOSEN = signature(
  'growChosen',
  ['reg', PENALTIES],
  ['importance', SCORES],
  ['chosen', thing<ReadonlySet<number>>('a Set of units', (value) => value instanceof Set)],
  ['deltaReg', number()],
  ['floor', number()],
  ['ceiling', number()],
)

/**
 * One growth step of one group by the rule of {@link growing}, in float32.
 *
 * @param reg the penalty of each unit
 * @param importance of each unit, as many
 * @returns the new penalties, or `null` when the importance holds a NaN or an infinity
 * @throws EspalierError ERR_INVALID_ARGUMENT, also for penalties and importances of different numbers of units
 * @example
 * ```ts
 * import { growGroup } from 'espalier/analysis'
 *
 * console.log(growGroup(new Float32Array(3), [0, 1, 2], 0.5, 1)) // Float32Array(3) [ 0.5, 0.25, 0 ]
 * ```
 */
export function growGroup(
  reg: Float32Array,
  importance: ArrayLike<number>,
  deltaReg: number,
  ceiling: number,
): Float32Array | null {
  GROW_GROUP.check(reg, importance, deltaReg, ceiling)
  mustBeAsMany(reg, importance)
  const score = Float32Array.from(importance)
  if (!allFinite(score)) return null
  const max = score.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const min = score.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const range = Math.fround(Math.fround(max - min) + Math.fround(1e-8))
  return reg.map((r, unit) => {
    const s = Math.fround(Math.fround(max - score[unit]!) / range)
    return Math.min(Math.fround(r + Math.fround(Math.fround(deltaReg) * s)), Math.fround(ceiling))
  })
}

/**
 * One growth step of one group when it is known which units would go: these grow as in {@link growGroup}, with the least
 * important kept unit in the place of the group's best, and the kept ones fall back. In float32.
 *
 * @param chosen the units that would go now
 * @param floor a penalty falls back by `deltaReg` per step, but not below
 * @returns the new penalties, or `null` when the importance holds a NaN or an infinity
 * @throws EspalierError ERR_INVALID_ARGUMENT, also for penalties and importances of different numbers of units
 * @example
 * ```ts
 * import { growChosen } from 'espalier/analysis'
 *
 * console.log(growChosen(Float32Array.of(0, 0, 1), [0, 1, 2], new Set([0, 1]), 0.5, 0, 1))
 * // Float32Array(3) [ 0.5, 0.25, 0.5 ]
 * ```
 */
export function growChosen(
  reg: Float32Array,
  importance: ArrayLike<number>,
  chosen: ReadonlySet<number>,
  deltaReg: number,
  floor: number,
  ceiling: number,
): Float32Array | null {
  GROW_CHOSEN.check(reg, importance, chosen, deltaReg, floor, ceiling)
  mustBeAsMany(reg, importance)
  const score = Float32Array.from(importance)
  if (!allFinite(score)) return null
  const kept = score.filter((_, unit) => !chosen.has(unit))
  const gone = score.filter((_, unit) => chosen.has(unit))
  const threshold = kept.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const least = gone.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  const range = Math.fround(Math.fround(threshold - least) + Math.fround(1e-8))
  const delta = Math.fround(deltaReg)
  return reg.map((r, unit) => {
    if (!chosen.has(unit)) return Math.max(Math.fround(r - delta), Math.fround(floor))
    // A unit can be chosen above a kept one (a group must keep its share, or a budget is met): it grows in full then.
    const s = range > 0 ? Math.min(1, Math.max(0, Math.fround(Math.fround(threshold - score[unit]!) / range))) : 1
    return Math.min(Math.fround(r + Math.fround(delta * s)), Math.fround(ceiling))
  })
}

function mustBeAsMany({ length }: Float32Array, importance: ArrayLike<number>): void {
  if (importance.length === length) return
  const message = `there are penalties of ${length} units, and importances of ${importance.length}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message)
}
