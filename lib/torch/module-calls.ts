import {
  count,
  dictionary,
  either,
  flag,
  list,
  maybe,
  object,
  path,
  signature,
  text,
  thing,
} from '../base/schema/index.js'
import type { NativeExtraFiles } from '../libtorch/binding.js'
import { RUN_ENTRIES, RUN_OPTIONS, SIGNAL_OPTIONS, type SignalOptions } from './abort.js'
import type { MethodOptions } from './interface.js'
import { CUT_REQUEST, RECORDING } from './recording.js'
import { DEVICE, DTYPE, type Tensor } from './tensor.js'
import type { Value } from './values.js'

/** An input of a module: lists and tuples are arrays, dicts are plain objects or Maps. */
export type ModuleInput =
  | Tensor
  | number
  | bigint
  | boolean
  | string
  | null
  | readonly ModuleInput[]
  | { readonly [key: string]: ModuleInput }
  | ReadonlyMap<unknown, ModuleInput>

/** An output of a module: lists and tuples are arrays, dicts are plain objects (Maps when a key is no string). */
export type ModuleOutput = Value

export interface SaveOptions extends SignalOptions {
  /**
   * Extra files of the archive, by name, in the place of those that the module has, which are written by default; text is
   * written as UTF-8. Add one with
   * `{ ...Object.fromEntries(module.extraFiles), 'labels.txt': text }`.
   */
  extraFiles?: Readonly<Record<string, string | Uint8Array>> | undefined
}

/** An input of an operator of a record, to be looked at along one dimension. */
export interface ObservedPlace {
  node: number
  input: number
  dim: number
}

/** Of each coordinate of the dimension. */
export interface Observation {
  mean: Float64Array
  /** Largest minus smallest value; 0 for a coordinate that is constant. */
  spread: Float64Array
}

export interface RecordOptions extends MethodOptions, SignalOptions {
  /** Run for real in any case; default false. */
  execute?: boolean | undefined
}

/** @internal Whether it fits the model, the native side says. */
export const MODULE_INPUT = thing<ModuleInput>(
  'a Tensor, a number, a text, true, false, null, or a list or dict of such',
  (value) => value !== undefined && typeof value !== 'function' && typeof value !== 'symbol',
)

/** @internal */
export const EXAMPLE_INPUTS = list(MODULE_INPUT, 'an array with a value for each input of the model')

/** @internal */
export const INPUT_BATCHES = thing<AsyncIterable<readonly ModuleInput[]>>(
  'batches of inputs: an async iterable',
  (value) => typeof (value as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator] === 'function',
)

/** @internal */
export const METHODS = maybe(dictionary(EXAMPLE_INPUTS, 'an object with the example inputs of each method'))

/** @internal */
export const FORWARD = signature('ScriptModule.forward', ['inputs', EXAMPLE_INPUTS])
/** @internal */
export const FORWARD_WITH = signature('ScriptModule.forwardWith', ['inputs', EXAMPLE_INPUTS], ['options', RUN_OPTIONS])
/** @internal */
export const CALL_METHOD = signature(
  'ScriptModule.callMethod',
  ['method', text('the name of a method')],
  ['inputs', EXAMPLE_INPUTS],
  ['options', RUN_OPTIONS],
)
/** @internal */
export const MODULE_CLONE = signature('ScriptModule.clone', ['options', SIGNAL_OPTIONS])
/** @internal */
export const MODULE_TO = signature(
  'ScriptModule.to',
  ['target', either('a device or a dtype', DEVICE, DTYPE)],
  ['options', SIGNAL_OPTIONS],
)
/** @internal */
export const RECORD = signature(
  'ScriptModule.record',
  ['inputs', EXAMPLE_INPUTS],
  ['options', object<RecordOptions>({ execute: maybe(flag), signal: RUN_ENTRIES.signal, methods: METHODS })],
)
/** @internal */
export const OBSERVE = signature(
  'ScriptModule.observe',
  ['recording', RECORDING],
  ['inputs', EXAMPLE_INPUTS],
  ['places', list(object<ObservedPlace>({ node: count(0), input: count(0), dim: count(0) }), 'an array of places')],
  ['options', SIGNAL_OPTIONS],
)
/** @internal */
export const CUT = signature(
  'ScriptModule.cut',
  ['recording', RECORDING],
  ['request', CUT_REQUEST],
  ['options', SIGNAL_OPTIONS],
)
const CONTENT = either(
  'a text or a Uint8Array',
  text(),
  thing<Uint8Array>('a Uint8Array', (v) => v instanceof Uint8Array),
)
const SAVE_OPTIONS = object<SaveOptions>({
  signal: RUN_ENTRIES.signal,
  extraFiles: maybe(dictionary(CONTENT, 'an object of contents by name')),
})
/** @internal */
export const SAVE = signature('ScriptModule.save', ['path', path], ['options', SAVE_OPTIONS])
/** @internal */
export const TO_BUFFER = signature('ScriptModule.toBuffer', ['options', SAVE_OPTIONS])
/** @internal */
export const TRAIN_MODE = signature('ScriptModule.train', ['mode', flag])

/** @internal Extra files as the native part takes them. */
export function contentsOf(files: SaveOptions['extraFiles']): NativeExtraFiles | undefined {
  if (files === undefined) return undefined
  const bytes = (content: string | Uint8Array) =>
    typeof content === 'string' ? new TextEncoder().encode(content) : content
  return Object.entries(files).map(([name, content]) => [name, bytes(content)])
}
