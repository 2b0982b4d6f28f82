/** From a penalty per unit to a coefficient per element, as plain data. */
import { EspalierError } from '../base/errors.js'
import { signature } from '../base/schema/index.js'
import type { ChannelGroups, Member } from '../groups/groups.js'
import { GROUPS } from '../groups/schemas.js'
import { isParameter } from '../importance/weights.js'
import { REG, type Reg } from './types.js'

/** The part of a coefficient that depends on one dimension. */
export interface DimensionCoefficients {
  dim: number
  /** One value per coordinate of that dimension. */
  values: Float32Array
}

/** @internal */
export const DIMENSION_COEFFICIENTS = signature('dimensionCoefficients', ['groups', GROUPS], ['reg', REG])
/** @internal */
export const LARGEST_COEFFICIENT = signature('largestCoefficient', ['groups', GROUPS], ['reg', REG])

/**
 * The coefficient of an element is the sum over the parameter's dimensions, and over the groups that meet in each, of
 * their `reg`; this returns the terms of that sum, by parameter. Every parameter slice of a unit takes part: rows and
 * columns, biases, norm weights and biases, depthwise filters, raw parameters. Statistics don't. Parameters whose
 * coefficients are all zero are left out.
 *
 * @param reg by group id, the penalty of each unit, 0 or more
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { dimensionCoefficients } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const coefficients = dimensionCoefficients(analysis, [Float32Array.of(1, 0, 0.5, 0)])
 * console.log(coefficients.get('fc.weight')) // [ { dim: 1, values: Float32Array(4) [ 1, 0, 0.5, 0 ] } ]
 * ```
 */
export function dimensionCoefficients(groups: ChannelGroups, reg: Reg): Map<string, DimensionCoefficients[]> {
  DIMENSION_COEFFICIENTS.check(groups, reg)
  mustFit(groups, reg)
  const byName = new Map<string, DimensionCoefficients[]>()
  for (const group of groups.groups) {
    const regOfGroup = reg[group.id]!
    if (regOfGroup.every((r) => r === 0)) continue
    for (const member of group.members) {
      if (isParameter(member)) addMember(dimensionOf(byName, member), member, regOfGroup)
    }
  }
  return byName
}

function mustFit({ groups }: ChannelGroups, reg: Reg): void {
  const group = groups.find(({ id, size }) => reg[id]?.length !== size)
  if (group === undefined) return
  const message = `'reg' must have ${group.size} penalties for group ${group.id}, not ${reg[group.id]?.length ?? 'none'}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message)
}

function addMember(values: Float32Array, member: Member, reg: Float32Array): void {
  for (let k = 0; k < member.coords.length; k++) values[member.coords[k]!]! += reg[member.units[k]!]!
}

function dimensionOf(byName: Map<string, DimensionCoefficients[]>, { name, dim, size }: Member): Float32Array {
  let dimensions = byName.get(name)
  if (dimensions === undefined) {
    dimensions = []
    byName.set(name, dimensions)
  }
  let found = dimensions.find((d) => d.dim === dim)
  if (found === undefined) {
    found = { dim, values: new Float32Array(size) }
    dimensions.push(found)
  }
  return found.values
}

/**
 * The largest coefficient that any element gets.
 *
 * @param reg by group id, the penalty of each unit, 0 or more
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { largestCoefficient } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(largestCoefficient(analysis, [Float32Array.of(1, 0, 0.5, 0)])) // 1
 * ```
 */
export function largestCoefficient(groups: ChannelGroups, reg: Reg): number {
  LARGEST_COEFFICIENT.check(groups, reg)
  let largest = 0
  for (const dimensions of dimensionCoefficients(groups, reg).values()) {
    const sum = dimensions.reduce((total, { values }) => total + values.reduce((a, b) => Math.max(a, b), 0), 0)
    largest = Math.max(largest, sum)
  }
  return largest
}
