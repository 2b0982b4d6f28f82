/** Penalties of all units, as plain arrays. */
import { EspalierError } from '../base/errors.js'
import type { ChannelGroups } from '../groups/groups.js'
import type { RemovedUnits } from './types.js'

/** The same value for every unit. */
export const filled = (groups: ChannelGroups, value: number): Float32Array[] =>
  groups.groups.map(({ size }) => new Float32Array(size).fill(value))

/** 1 for every unit of the list, 0 for every other, by group id. */
export function marked(groups: ChannelGroups, removed: readonly RemovedUnits[]): Float32Array[] {
  const marks = filled(groups, 0)
  for (const { group, units } of removed) {
    for (const unit of units) {
      if (marks[group]?.[unit] === undefined) {
        throw new EspalierError(
          'ERR_INVALID_ARGUMENT',
          `'removed' names unit ${unit} of group ${group}, which isn't there`,
        )
      }
      marks[group][unit] = 1
    }
  }
  return marks
}
