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

/** Every value in nested arguments, in order. */
export const flatArgs = checked(SIGNATURES.flatArgs, flat)
/** Coordinates of an axis that survive, ascending. */
export const keptCoordinates = checked(SIGNATURES.keptCoordinates, units.keptCoordinates)
/** How many coordinates of an axis survive. */
export const keptSize = checked(SIGNATURES.keptSize, units.keptSize)
/** Whether a coordinate of an axis survives. */
export const survives = checked(SIGNATURES.survives, units.survives)
