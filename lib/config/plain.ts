import { type Described, type Description, descriptionOf } from '../base/describe.js'
import { shown } from '../base/schema/index.js'
import { ScriptModule, Tensor } from '../torch/index.js'
import type { Config } from './option.js'

/** Objects in objects that are looked into: what is deeper, or leads in circles, is told in a few words. */
const DEPTH = 8
/** Of a list; a longer one holds data, not options. */
const MOST = 1000

/**
 * A config as data, to be printed and kept: what a program made is told by its description, a tensor by its dtype and shape. JSON of a
 * config would leave such things out, or could not be made at all.
 */
export const plainConfig = (config: Config): { readonly [option: string]: Description } =>
  entriesOf(config, DEPTH) as { readonly [option: string]: Description }

function plain(value: unknown, depth: number): Description {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Tensor) return `${value.dtype}:${value.shape.join(',')}`
  if (value instanceof ScriptModule) return String(value)
  if ((typeof value !== 'object' && typeof value !== 'function') || depth === 0) return shown(value)
  if (Array.isArray(value)) return value.length > MOST ? shown(value) : value.map((each) => plain(each, depth - 1))
  const { description } = value as Described
  if (description !== undefined) return plain(description, depth - 1)
  if (isPlain(value)) return entriesOf(value, depth - 1)
  return ArrayBuffer.isView(value) || value instanceof Map ? shown(value) : plain(descriptionOf(value), depth - 1)
}

const entriesOf = (value: object, depth: number): Description =>
  Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : [[key, plain(each, depth)]])),
  )

/** Of no class, such as the options of a phase. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
