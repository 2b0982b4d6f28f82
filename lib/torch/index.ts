export type { Device, LoadLimits, TrainEvalRepair, TypedArray } from '../libtorch/binding.js'
export type { CutRequest, CutValue, InterfaceOptions, InterfaceReport, Rewrite } from '../record/cut-request.js'
export type { RunOptions, SignalOptions } from './abort.js'
export { define, type ModuleTensors } from './define.js'
export {
  argmax,
  type CrossEntropyOptions,
  crossEntropy,
  crossEntropySync,
  type LossOptions,
  mseLoss,
  mseLossSync,
  type Reduction,
  softmax,
} from './functional.js'
export type { ForwardHook, GradientHook, HookRegistration } from './hooks.js'
export type { MethodInputs, MethodOptions } from './interface.js'
export { type LoadModelOptions, load } from './load.js'
export { ScriptModule } from './module.js'
export type {
  ModuleInput,
  ModuleOutput,
  Observation,
  ObservedPlace,
  RecordOptions,
  SaveOptions,
} from './module-calls.js'
export {
  call,
  type OpArg,
  type OpCall,
  type OpResult,
  type ProgramOptions,
  type ResultReference,
  run,
} from './operators.js'
export { PenaltyHook } from './penalty-hook.js'
export { Recording } from './recording.js'
export { keep, scope } from './scope.js'
export { manualSeed, setMemoryLimit, setThreads, threads, torchVersion } from './settings.js'
export { type BackwardOptions, Tensor, type TensorOptions } from './tensor.js'
export { type LoadUntrustedOptions, loadUntrusted, type UntrustedModel } from './untrusted/index.js'
