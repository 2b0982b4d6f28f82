/** Reports: what was found and what was gained, in plain text. */

export { type Latency, type LatencyOptions, measureLatency } from '../measure/latency.js'
export { coverageLines, frozenTable, groupsTable, reasonInWords } from './groups.js'
export { type Column, formatTable, integer, percent } from './table.js'
