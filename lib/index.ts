export { ERROR_CODES, type ErrorCode, EspalierError, type EspalierErrorOptions } from './errors.js'
export * from './torch/index.js'
export { type Libtorch, type LoadOptions, loadLibtorch } from './torch/runtime/index.js'
