import { analyse as analyseAxes } from '../groups/analyse.js'
import type { Analysis, OpRecord } from '../groups/index.js'
import { blockedByNumbers } from './blocked.js'

/**
 * Finds which slices of which parameters must be removed together, and can be.
 *
 * Pure: it reads the record alone. What it does not understand it fixes, and says why.
 */
export function analyse(record: OpRecord): Analysis {
  return analyseAxes(record, blockedByNumbers)
}
