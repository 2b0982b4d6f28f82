/** Checks of options, with one wording. */
import { EspalierError } from './errors.js'

/** Returns `value` when it is a number in [low, high]; else throws ERR_INVALID_ARGUMENT. */
export function inRange(name: string, value: number, low: number, high: number, kind?: 'integer'): number {
  const fits =
    typeof value === 'number' && value >= low && value <= high && (kind === undefined || Number.isInteger(value))
  if (fits) return value
  const wanted = kind === 'integer' ? 'an integer' : 'a number'
  const range = high >= Number.MAX_SAFE_INTEGER ? `at least ${low}` : `between ${low} and ${high}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', `'${name}' must be ${wanted} ${range}, not ${String(value)}`)
}

/** Returns `value` when it is a finite number of at least `low`; else throws ERR_INVALID_ARGUMENT. */
export function atLeast(name: string, value: number, low: number): number {
  return inRange(name, value, low, Number.MAX_VALUE)
}

/** Returns `value` when it is a count: an integer of at least `low` (1 by default); else throws ERR_INVALID_ARGUMENT. */
export function count(name: string, value: number, low = 1): number {
  return inRange(name, value, low, Number.MAX_SAFE_INTEGER, 'integer')
}
