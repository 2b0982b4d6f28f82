export { type Host, realHost } from './host.js'
export { inspectLibtorch, type LibtorchFolder } from './inspect.js'
export { binding, type LoadOptions, loadLibtorch, loadRuntime, type Runtime } from './load.js'
export { findNative, type NativeFiles, PACKAGE_ROOT } from './native.js'
export {
  type Attempt,
  formatAttempts,
  type Libtorch,
  type LibtorchSource,
  libtorchCache,
  type ResolveOptions,
  resolveLibtorch,
  trustedFiles,
  tryResolveLibtorch,
} from './resolve.js'
export { LIBTORCH_MINORS, LIBTORCH_VERSION, minorOf } from './version.js'
