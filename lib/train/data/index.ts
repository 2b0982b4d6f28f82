/** Where examples come from, and how they become batches. */
export { type RandomShiftOptions, randomShift } from './augment.js'
export { type BatchOptions, batchCount, batches, type TensorBatch } from './batches.js'
export type { ArrayData, Augment, Batch, Dataset } from './dataset.js'
export * from './files/index.js'
export { inMemory } from './in-memory.js'
export { type SplitOptions, split, subset } from './subset.js'
