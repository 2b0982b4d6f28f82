/** Weights as plain data: what a criterion reads. */

import { EspalierError } from '../base/errors.js'
import { allFinite, isNumbers } from '../base/numbers.js'
import { func, like, type Schema, signature, thing } from '../base/schema/index.js'
import type { ChannelGroups, Member } from '../groups/groups.js'
import { GROUPS } from '../groups/schemas.js'
import type { Tensor } from '../torch/index.js'
import { SCORES } from './types.js'

/** A parameter as plain data: elements in row-major order. */
export interface Weight {
  shape: readonly number[]
  data: ArrayLike<number>
}

/** Reads a parameter by its first qualified name. Throws ERR_INVALID_ARGUMENT for a name that it does not know. */
export interface WeightSource {
  (name: string): Weight
  /** The parameter itself, as it is now: criteria then read it natively. Absent where there is only plain data. */
  readonly tensor?: ((name: string) => Tensor) | undefined
}

/** Anything with named parameters: a ScriptModule, or tensors of one's own. */
export interface ParameterOwner {
  /** By qualified name. */
  parameters(): ReadonlyMap<string, Tensor>
}

/** @internal */
export const OWNER = like<ParameterOwner>('a ScriptModule, or an object with a method parameters()', {
  parameters: func(),
})
const WEIGHT_SOURCE = func<WeightSource>('a source of weights, as weightsOf() gives it')
const WEIGHTS: Schema<ReadonlyMap<string, Weight> | Readonly<Record<string, Weight>>> = thing(
  'a Map or an object of { shape, data } by qualified name',
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    [...(value instanceof Map ? value.values() : Object.values(value))].every(
      (weight) => Array.isArray(weight?.shape) && isNumbers(weight.data),
    ),
)
/** @internal */
export const WEIGHTS_FROM = signature('weightsFrom', ['weights', WEIGHTS])
/** @internal */
export const WEIGHTS_OF = signature('weightsOf', ['module', OWNER])
/** @internal */
export const ASSERT_FINITE_SCORES = signature(
  'assertFiniteScores',
  ['groups', GROUPS],
  ['scores', SCORES],
  ['weights', WEIGHT_SOURCE],
)

/**
 * Weights from plain data, by qualified name.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT; the source, for a name that it does not know
 * @example
 * ```ts
 * import { weightsFrom } from 'espalier/analysis'
 *
 * const weights = weightsFrom({ 'fc.weight': { shape: [1, 2], data: [0.5, -0.5] } })
 * console.log(weights('fc.weight').shape) // [ 1, 2 ]
 * ```
 */
export function weightsFrom(weights: ReadonlyMap<string, Weight> | Readonly<Record<string, Weight>>): WeightSource {
  WEIGHTS_FROM.check(weights)
  const map = weights instanceof Map ? weights : new Map(Object.entries(weights))
  return (name) => {
    const weight = map.get(name)
    if (weight === undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no parameter '${name}'`)
    return weight
  }
}

/**
 * The weights of a module as they are now: each parameter is copied once, when it is first asked for.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT; the source, for a name that it does not know
 * @example
 * ```ts
 * import { load } from 'espalier'
 * import { weightsOf } from 'espalier/analysis'
 *
 * const weights = weightsOf(await load('model.pt'))
 * console.log(weights('fc.weight').data.length) // 20
 * ```
 */
export function weightsOf(module: ParameterOwner): WeightSource {
  WEIGHTS_OF.check(module)
  let parameters: ReadonlyMap<string, Tensor> | undefined
  const copies = new Map<string, Weight>()
  const tensor = (name: string): Tensor => {
    parameters ??= module.parameters()
    const found = parameters.get(name)
    if (found !== undefined) return found
    throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no parameter '${name}'`)
  }
  const weights = (name: string): Weight => {
    const known = copies.get(name)
    if (known !== undefined) return known
    const parameter = tensor(name)
    const weight: Weight = { shape: parameter.shape, data: parameter.data() as unknown as ArrayLike<number> }
    copies.set(name, weight)
    return weight
  }
  return Object.assign(weights, { tensor })
}

/**
 * Folds `value` over all elements of each coordinate of a dimension.
 *
 * @returns one sum per coordinate, as long as the dimension
 */
export function sumPerCoordinate(weight: Weight, dim: number, value: (w: number) => number): Float64Array {
  const { shape, data } = weight
  const size = shape[dim] ?? 0
  let inner = 1
  for (let d = dim + 1; d < shape.length; d++) inner *= shape[d]!
  const sums = new Float64Array(size)
  for (let start = 0, coordinate = 0; start < data.length; start += inner) {
    let sum = 0
    for (let i = start; i < start + inner; i++) sum += value(data[i]!)
    sums[coordinate]! += sum
    coordinate = coordinate + 1 === size ? 0 : coordinate + 1
  }
  return sums
}

/**
 * Refuses scores of which one is a NaN or an infinity.
 *
 * @throws EspalierError ERR_NOT_FINITE, naming the first parameter that holds a NaN or an infinity among the members of a group
 *   whose scores are not finite; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { groupL2, load, Prunable, Tensor } from 'espalier'
 * import { assertFiniteScores, weightsOf } from 'espalier/analysis'
 *
 * const prunable = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const weights = weightsOf(prunable.model)
 * assertFiniteScores(prunable.analysis, await groupL2()({ groups: prunable.analysis, weights }), weights)
 * ```
 */
export function assertFiniteScores(
  groups: ChannelGroups,
  scores: ReadonlyMap<number, ArrayLike<number>>,
  weights: WeightSource,
): void {
  ASSERT_FINITE_SCORES.check(groups, scores, weights)
  for (const group of groups.groups) {
    const score = scores.get(group.id)
    if (score !== undefined && allFinite(score)) continue
    const broken = group.members.find((member) => isParameter(member) && !allFinite(weights(member.name).data))
    const where = broken === undefined ? `group ${group.id} (${group.scopes.join(', ')})` : `'${broken.name}'`
    throw new EspalierError('ERR_NOT_FINITE', `${where} holds a NaN or an infinity: its channels can't be ranked`)
  }
}

/** What is zeroed when a unit goes, and what counts for it. */
export const isParameter = ({ role, use }: Member): boolean =>
  role === 'parameter' && use !== 'statistic' && use !== 'direction'
