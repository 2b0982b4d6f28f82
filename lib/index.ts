export { ERROR_CODES, type ErrorCode, EspalierError, type EspalierErrorOptions } from './errors.js'
