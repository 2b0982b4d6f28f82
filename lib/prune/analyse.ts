import { analyse as analyseAxes } from '../graph/analyse.js'
import type { Analysis, OpRecord } from '../graph/index.js'
import { blockedByNumbers } from './blocked.js'

/**
 * Finds which slices of which parameters must be removed together, and can be.
 *
 * Pure: it reads the record alone. What it does not understand it fixes, and says why.
 */
export function analyse(record: OpRecord): Analysis {
  return analyseAxes(record, blockedByNumbers)
}
