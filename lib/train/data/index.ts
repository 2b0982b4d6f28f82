/** Where examples come from, and how they become batches. */
export { type RandomShiftOptions, randomShift } from './augment.js'
export { type BatchOptions, batchCount, batches, type TensorBatch } from './batches.js'
export type { ArrayData, Augment, Batch, Dataset } from './dataset.js'
export * from './files/index.js'
export { inMemory } from './in-memory.js'
export { type AsyncIterableOptions, fromAsyncIterable, type OpenStream } from './stream.js'
export { type ShuffleOptions, type SplitOptions, shuffle, split, subset } from './subset.js'
