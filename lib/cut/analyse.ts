import { type AnalyseOptions, analyse as analyseAxes } from '../groups/analyse.js'
import type { Analysis, OpRecord } from '../groups/index.js'
import { blockedByNumbers } from './blocked.js'

/**
 * Finds which slices of which parameters must be removed together, and can be.
 *
 * Pure: it reads the record alone. What it does not understand it fixes, and says why.
 *
 * Source: Fang et al., DepGraph: Towards Any Structural Pruning (CVPR 2023), for groups; how they are found is this package's.
 *
 * @param record of `model.record(inputs)` or `loadUntrusted`
 * @throws EspalierError ERR_INVALID_ARGUMENT for a record that is none
 * @example
 * ```ts
 * import { load, Tensor } from 'espalier'
 * import { analyse } from 'espalier/analysis'
 *
 * const model = await load('model.pt')
 * using recording = await model.record([Tensor.zeros([1, 3, 8, 8])])
 * for (const group of analyse(recording.record).groups) console.log(group.kind, group.size, group.scopes)
 * // channels 4 [ 'conv', 'bn', 'fc' ]
 * ```
 */
export function analyse(record: OpRecord, options: AnalyseOptions = {}): Analysis {
  return analyseAxes(record, options, blockedByNumbers)
}
