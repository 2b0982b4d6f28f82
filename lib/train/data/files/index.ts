/** Datasets from files. */
export type { SkippedImage } from './images/broken.js'
export { type ImageFolder, imageFolder } from './images/image-folder.js'
export type { ImageFolderOptions } from './images/options.js'
export { readNpy } from './npy.js'
export { type ReadNpzOptions, readNpz } from './npz.js'
export { readSafetensors } from './safetensors.js'
export { type ReadTableOptions, readTable, type Table, type TableColumn } from './table.js'
export { type TokenFileOptions, tokenFile } from './tokens.js'
