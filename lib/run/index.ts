/** The jobs: everything in one call. */
export type { CheckpointOptions, RunState } from './checkpoint.js'
export { type JsonLinesOptions, jsonLines } from './jsonl.js'
export { type PruneOptions, type PruneResult, prune } from './prune.js'
export { Run } from './run.js'
export { sparsify } from './sparsify.js'
export type { Phase, RunRecord, SparsifyOptions, SparsifyResult, Stage } from './types.js'
