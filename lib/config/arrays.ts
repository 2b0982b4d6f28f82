/** Named arrays of a file as a dataset: which are inputs, which is to be learnt, and of which types. */

import { EspalierError } from '../base/errors.js'
import { list, maybe, object, shown, text } from '../base/schema/index.js'
import { nearest } from '../base/schema/nearest.js'
import { type ModuleInput, Tensor, type TypedArray } from '../torch/index.js'
import { placesOf } from '../train/data/source.js'
import { type ArrayData, type Dataset, inMemory } from '../train/index.js'
import type { DataContext } from './data.js'

/** Which of the arrays of a file are taken. */
export interface ArrayChoice {
  /** Names of the inputs, in the order of the model's; all that are no targets by default, by the names of the model's own. */
  inputs?: readonly string[] | undefined
  /** The name of what is to be learnt; by default that which is called so. */
  target?: string | undefined
}

export const ARRAY_CHOICE = object<ArrayChoice>({
  inputs: maybe(list(text('a name'), 'names with + between them')),
  target: maybe(text('a name')),
})

type Named = Readonly<Record<string, ArrayData>>

/** What is to be learnt, where nothing is said. */
const TARGETS = ['targets', 'target', 'labels', 'label', 'y']

/** @throws EspalierError ERR_INVALID_ARGUMENT */
export function datasetOfArrays(path: string, named: Named, choice: ArrayChoice, context: DataContext): Dataset {
  const { labels } = context
  const target = choice.target ?? (labels ? String(labels) : TARGETS.find((name) => Object.hasOwn(named, name)))
  const isNamed = choice.target !== undefined || Boolean(labels)
  const isTaken = (name: string) =>
    choice.inputs === undefined && name !== target && (isNamed || !TARGETS.includes(name))
  const names = choice.inputs ?? inModelsOrder(path, Object.keys(named).filter(isTaken), context)
  if (names.length === 0) throw refused(path, `it holds no inputs, only ${listed(Object.keys(named))}`)
  const inputs = names.map((name) => arrayOf(path, named, name))
  const targets = target === undefined || labels === false ? undefined : arrayOf(path, named, target)
  mustBeAsMany(path, [...names, ...(targets === undefined ? [] : [target as string])], named)
  const given = context.inputs
  if (given.length > 0 && given.length !== inputs.length) {
    throw refused(path, `it has the inputs ${listed(names)}, and the model is given ${given.length} (-i)`, CHOOSE)
  }
  const alike = inputs.map((array, k) => asExample(array, given[k], `${path}: ${shown(names[k])}`))
  return inMemory(alike, targets && asTargets(targets))
}

const CHOOSE = 'Say which, in the order of the model: --data train.npz:inputs=ids+mask,target=y'

const refused = (path: string, words: string, hint?: string) =>
  new EspalierError('ERR_INVALID_ARGUMENT', `${path}: ${words}`, { hint })

const listed = (names: readonly string[]) => (names.length === 0 ? 'nothing' : names.map(shown).join(', '))

function arrayOf(path: string, named: Named, name: string): ArrayData {
  if (Object.hasOwn(named, name)) return named[name] as ArrayData
  const known = Object.keys(named)
  const meant = nearest(name, known)
  throw refused(
    path,
    `it has no ${shown(name)}: ${meant === undefined ? `it has ${listed(known)}` : `did you mean ${shown(meant)}?`}`,
  )
}

/** Several inputs go by the names of the model's; one alone may be called anything. */
function inModelsOrder(path: string, names: readonly string[], { inputNames }: DataContext): readonly string[] {
  if (names.length < 2 || inputNames === undefined) return names
  try {
    return placesOf(names, inputNames).map((place) => names[place] as string)
  } catch (error) {
    throw error instanceof EspalierError ? refused(path, error.message, CHOOSE) : error
  }
}

function mustBeAsMany(path: string, names: readonly string[], named: Named): void {
  const [first = '', ...others] = names
  const rows = (name: string) => named[name]?.shape[0]
  if (rows(first) === undefined)
    throw refused(path, `${shown(first)} is a number, not an array with an example in each row`)
  const other = others.find((name) => rows(name) !== rows(first))
  if (other === undefined) return
  throw refused(path, `${shown(first)} has ${rows(first)} examples, and ${shown(other)} ${rows(other) ?? 1}`)
}

const FLOATS = { float32: Float32Array, float64: Float64Array } as const
const INTEGERS = {
  ...{ int64: BigInt64Array, int32: Int32Array, int16: Int16Array, int8: Int8Array, uint8: Uint8Array },
} as const

const isOf = (data: TypedArray, types: Readonly<Record<string, unknown>>) =>
  Object.values(types).includes(data.constructor)

/** An array of the kind of the model's example input: floats as its floats, integers as its integers. */
export function asExample(array: ArrayData, example: ModuleInput | undefined, where: string): ArrayData {
  if (!(example instanceof Tensor)) return array
  const { shape, dtype } = example
  if (dtype === 'bool') {
    throw refused(
      where,
      'the model is given bool (-i), which no array of a file can be here',
      'Let the model take uint8, and make bool of it itself.',
    )
  }
  if (shape.length !== array.shape.length) {
    const words = `it is [${array.shape.join(', ')}], and the model is given [${shape.join(', ')}] (-i), an example in each row`
    throw refused(where, words)
  }
  for (const types of [FLOATS, INTEGERS] as Readonly<Record<string, TypedArrayType>>[]) {
    const Type = types[dtype]
    if (Type === undefined) continue
    if (array.data.constructor === Type) return array
    if (isOf(array.data, types)) {
      const data = converted(array.data, Type)
      mustBeHeld(array.data, data, where, dtype)
      return { ...array, data }
    }
    const held = Object.entries({ ...FLOATS, ...INTEGERS }).find(([, type]) => array.data.constructor === type)?.[0]
    throw refused(
      where,
      `it holds ${held}, and the model is given ${dtype} (-i)`,
      `Save it as ${dtype}, as the model was trained on it.`,
    )
  }
  return array
}

/** Numbers of classes are int64. */
const asTargets = (array: ArrayData): ArrayData =>
  isOf(array.data, INTEGERS) ? { ...array, data: converted(array.data, BigInt64Array as TypedArrayType) } : array

type TypedArrayType = new (length: number) => TypedArray

/** Integers that are too large for a type would wrap around, floats become infinite; that floats are rounded is no fault. */
function mustBeHeld(before: TypedArray, after: TypedArray, where: string, dtype: string): void {
  const isInteger = after.constructor !== Float32Array && after.constructor !== Float64Array
  for (let k = 0; k < before.length; k++) {
    const [value, held] = [Number(before[k]), Number(after[k])]
    if (isInteger ? value === held : Number.isFinite(held) || !Number.isFinite(value)) continue
    throw refused(where, `it holds ${before[k]}, which is no ${dtype}, as the model is given (-i)`)
  }
}

function converted(data: TypedArray, Type: TypedArrayType): TypedArray {
  if (data.constructor === Type) return data
  const out = new Type(data.length)
  const change = out instanceof BigInt64Array ? BigInt : Number
  for (let k = 0; k < data.length; k++) out[k] = change(data[k] as number) as never
  return out
}
