// The networks of test/fixtures/criteria, with what reference.py says of them.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { load, Prunable, Tensor } from 'espalier'
import type { Named } from '../../lib/config/named.js'
import type { ChannelGroup } from '../../lib/groups/groups.js'
import { scoredMembers } from '../../lib/importance/criterion.js'

interface ReferenceGroup {
  members: readonly { name: string; dim: number; units: readonly (readonly number[])[] }[]
  scores: readonly (readonly [Exclude<Named, string>, readonly number[]])[]
}

const folder = new URL('../fixtures/criteria/', import.meta.url)

export const REFERENCES: Readonly<Record<string, { shape: number[]; groups: readonly ReferenceGroup[] }>> = JSON.parse(
  readFileSync(new URL('scores.json', folder), 'utf8'),
)

export const prunableOf = async (name: string): Promise<Prunable> => {
  const model = await load(fileURLToPath(new URL(`${name}.pt`, folder)))
  return Prunable.of(model, { inputs: [Tensor.zeros(REFERENCES[name]!.shape)] })
}

/** The slices that count as weights, as the reference writes them, in any order. */
export const writtenOut = (group: ChannelGroup): string =>
  ordered(
    scoredMembers(group).map(({ name, dim, coords, units: of }) => {
      const units = Array.from({ length: group.size }, (): number[] => [])
      coords.forEach((coordinate, k) => {
        units[of[k]!]!.push(coordinate)
      })
      return { name, dim, units }
    }),
  )

export const ordered = (members: ReferenceGroup['members']): string =>
  members
    .map(({ name, dim, units }) => JSON.stringify([name, dim, units]))
    .sort()
    .join('\n')

/** The largest difference, as a part of the largest number. */
export function distance(got: ArrayLike<number>, wanted: readonly number[]): number {
  const size = Math.max(...wanted.map(Math.abs))
  return Math.max(...wanted.map((x, k) => Math.abs(got[k]! - x))) / size
}
