import { func, type Schema } from './schema/index.js'

/** Is told how far some work is, 0 to 1 and rising, each time that it comes further. */
export type OnProgress = (part: number) => void

/** @internal */
export const ON_PROGRESS: Schema<OnProgress> = func('a function that is told how far the work is')
