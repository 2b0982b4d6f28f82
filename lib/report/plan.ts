import type { Analysis } from '../groups/index.js'
import { scopesInWords } from './groups.js'
import { formatTable, integer, percent } from './table.js'

/** What a plan is shown by. */
export interface Planned {
  removed: readonly { group: number; units: readonly number[] }[]
  params: readonly [number, number]
  macs: readonly [number, number]
  latency?: readonly [number, number] | undefined
}

/** The width of every group before and after, as data. */
export function planRows({ groups }: Analysis, { removed }: Planned) {
  const gone = new Map(removed.map(({ group, units }) => [group, units.length]))
  return groups.map((group) => ({
    ...{ group: group.id, kind: group.kind, before: group.size, after: group.size - (gone.get(group.id) ?? 0) },
    in: scopesInWords(group),
  }))
}

/** The same as a table in plain text, of the groups that become narrower. */
export function planTable(analysis: Analysis, plan: Planned): string {
  const rows = planRows(analysis, plan).filter(({ before, after }) => after < before)
  return formatTable(
    [
      { title: 'group', align: 'right' },
      { title: 'kind' },
      { title: 'units', align: 'right' },
      { title: 'left', align: 'right' },
      { title: 'in' },
    ],
    rows.map((row) => [row.group, row.kind, row.before, row.after, row.in]),
  )
}

/** `77,754 -> 40,112 (51.59 %)`. */
export const becomes = (
  [before, after]: readonly [number, number],
  shown: (value: number) => string = integer,
): string => `${shown(before)} -> ${shown(after)} (${percent(before === 0 ? 1 : after / before, 1)})`
