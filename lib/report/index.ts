/** Reports: what was found and what was gained, in plain text. */
export { coverageLines, frozenTable, groupsTable, reasonInWords } from './groups.js'
export { type Latency, type LatencyOptions, measureLatency } from './latency.js'
export { type Column, formatTable, integer, percent } from './table.js'
