export type { Pass } from './pass.js'
export { cutAndVerify, type Verification } from './verify.js'
