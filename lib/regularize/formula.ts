/** The growth rule, on plain arrays. */
import { allFinite } from '../importance/weights.js'

/**
 * One growth step of one group, in float32.
 *
 * @returns the new penalties, or `null` when the importance holds a NaN or an infinity
 */
export function growGroup(
  reg: Float32Array,
  importance: ArrayLike<number>,
  deltaReg: number,
  ceiling: number,
): Float32Array | null {
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
