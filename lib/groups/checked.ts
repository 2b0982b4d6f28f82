/** The functions of this folder for callers outside. */

import * as units from '../axes/units.js'
import { checked, count, signature, thing } from '../base/schema/index.js'
import { type Arg, flat } from '../record/record.js'
import { REMOVED, UNIT_AXIS } from './schemas.js'

const ARG = thing<Arg>('a number of a value, or a list of such', function fits(value): boolean {
  return Array.isArray(value) ? value.every(fits) : Number.isInteger(value)
})

export const SIGNATURES = {
  flatArgs: signature('flatArgs', ['arg', ARG]),
  keptCoordinates: signature('keptCoordinates', ['axis', UNIT_AXIS], ['removed', REMOVED]),
  keptSize: signature('keptSize', ['axis', UNIT_AXIS], ['removed', REMOVED]),
  survives: signature('survives', ['axis', UNIT_AXIS], ['coordinate', count(0)], ['removed', REMOVED]),
}

/**
 * Every value in nested arguments, in order.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { flatArgs } from 'espalier/analysis'
 *
 * using recording = await (await load('model.pt')).record([Tensor.zeros([1, 3, 8, 8])])
 * const { values, ops } = recording.record
 * const names = ops[0]!.inputs.flatMap((arg) => flatArgs(arg)).map((id) => values[id]!)
 * console.log(names.flatMap((value) => (value.kind === 'tensor' ? (value.names ?? []) : [])))
 * // [ 'conv.weight', 'conv.bias' ]
 * ```
 */
export const flatArgs = checked(SIGNATURES.flatArgs, flat)
/**
 * Coordinates of an axis that survive, ascending.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { keptCoordinates } from 'espalier/analysis'
 *
 * // Two coordinates for each of three units, of which the second goes.
 * const axis = { size: 6, offsets: Int32Array.of(0, 1, 2, 3, 4, 5, 6), units: Int32Array.of(0, 0, 1, 1, 2, 2) }
 * console.log(keptCoordinates(axis, Uint8Array.of(0, 1, 0))) // [ 0, 1, 4, 5 ]
 * ```
 */
export const keptCoordinates = checked(SIGNATURES.keptCoordinates, units.keptCoordinates)
/**
 * How many coordinates of an axis survive.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { keptSize } from 'espalier/analysis'
 *
 * const axis = { size: 3, offsets: Int32Array.of(0, 1, 2, 3), units: Int32Array.of(0, 1, 2) }
 * console.log(keptSize(axis, Uint8Array.of(0, 1, 0))) // 2
 * ```
 */
export const keptSize = checked(SIGNATURES.keptSize, units.keptSize)
/**
 * Whether a coordinate of an axis survives.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { survives } from 'espalier/analysis'
 *
 * const axis = { size: 3, offsets: Int32Array.of(0, 1, 2, 3), units: Int32Array.of(0, 1, 2) }
 * console.log(survives(axis, 1, Uint8Array.of(0, 1, 0))) // false
 * ```
 */
export const survives = checked(SIGNATURES.survives, units.survives)
