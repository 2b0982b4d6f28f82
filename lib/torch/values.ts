import type { NativeInput, NativeOutput, TensorHandle } from '../libtorch/binding.js'
import { handleOf, Tensor, wrapTensor } from './tensor.js'

/** What a module or an operator gives back: lists and tuples as arrays, dicts as plain objects (Maps when a key is no string). */
export type Value =
  | Tensor
  | number
  | bigint
  | boolean
  | string
  | null
  | Value[]
  | { [key: string]: Value }
  | Map<unknown, Value>

/** Tensors -> handles, in arrays, plain objects and Maps too. */
export function lower(value: unknown): NativeInput {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Tensor) return handleOf(value)
  if (Array.isArray(value)) return value.map(lower)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [lower(key), lower(item)]))
  if (ArrayBuffer.isView(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, lower(item)]))
}

/** Handles -> tensors. */
export function lift(value: NativeOutput): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(lift)
  if (!(value instanceof Map)) return wrapTensor(value as TensorHandle)
  const entries = [...value].map(([key, item]) => [lift(key), lift(item)] as const)
  if (entries.every(([key]) => typeof key === 'string')) return Object.fromEntries(entries) as { [key: string]: Value }
  return new Map(entries)
}
