export type { Pass } from './pass.js'
export { type CutOptions, cutAndVerify, type Verification } from './verify.js'
