/** Datasets from files. */
export { readNpy } from './npy.js'
export { type ReadNpzOptions, readNpz } from './npz.js'
export { readSafetensors } from './safetensors.js'
export { type ReadTableOptions, readTable, type Table, type TableColumn } from './table.js'
