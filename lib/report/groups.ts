import { like, maybe, signature, text } from '../base/schema/index.js'
import type { ChannelGroup, ChannelGroups, FreezeReason, Member, MemberUse } from '../groups/index.js'
import { GROUPS } from '../groups/schemas.js'
import { formatTable, integer, percent } from './table.js'

/** How a table calls the slices of a member. */
const USE_NAMES: Record<MemberUse, string> = {
  output: 'rows',
  input: 'columns',
  bias: 'biases',
  'norm-weight': 'norm weights',
  'norm-bias': 'norm biases',
  direction: 'directions',
  statistic: 'statistics',
  other: 'other',
}

const REASON = like<FreezeReason>('a reason, as in analysis.frozen', {
  kind: text(),
  operator: maybe(text()),
  scope: maybe(text()),
})

/** @internal */
export const GROUPS_TABLE = signature('groupsTable', ['groups', GROUPS])
/** @internal */
export const FROZEN_TABLE = signature('frozenTable', ['groups', GROUPS])
/** @internal */
export const COVERAGE_LINES = signature('coverageLines', ['groups', GROUPS])
/** @internal */
export const REASON_IN_WORDS = signature('reasonInWords', ['reason', REASON])

/**
 * The groups: units, where, and which slices go together. A table in plain text, a line for each group.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { groupsTable, load, Prunable, Tensor } from 'espalier'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(groupsTable(analysis).split('\n')[0]!.split(/ +/)) // [ 'group', 'kind', 'units', 'members', 'cut', 'in' ]
 * ```
 */
export function groupsTable(found: ChannelGroups): string {
  GROUPS_TABLE.check(found)
  const { groups } = found
  return formatTable(
    [
      { title: 'group', align: 'right' },
      { title: 'kind' },
      { title: 'units', align: 'right' },
      { title: 'members' },
      { title: 'cut' },
      { title: 'in' },
    ],
    groups.map((group) => [
      group.id,
      group.kind,
      group.size,
      membersInWords(group.members),
      group.exact ? 'exact' : 'approximate',
      scopesInWords(group),
    ]),
  )
}

/**
 * The dimensions that stay as they are, and why. A table in plain text, a line for each dimension.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { frozenTable, load, Prunable, Tensor } from 'espalier'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(frozenTable(analysis))
 * // frozen       dim  size  why
 * // -----------  ---  ----  ------------
 * // conv.weight    1     3  model input
 * // fc.weight      0     5  model output
 * // fc.bias        0     5  model output
 * ```
 */
export function frozenTable(groups: ChannelGroups): string {
  FROZEN_TABLE.check(groups)
  const { frozen } = groups
  return formatTable(
    [{ title: 'frozen' }, { title: 'dim', align: 'right' }, { title: 'size', align: 'right' }, { title: 'why' }],
    frozen.map(({ name, dim, size, reasons }) => [name, dim, size, reasons.map(reasonInWords).join(', ')]),
  )
}

/**
 * Coverage and what stands in its way, in a line or a few.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { coverageLines, load, Prunable, Tensor } from 'espalier'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * console.log(coverageLines(analysis))
 * // coverage: 96.6 % of the parameters have a dimension that can be pruned
 * //   5 parameters kept by: model output
 * ```
 */
export function coverageLines(groups: ChannelGroups): string {
  COVERAGE_LINES.check(groups)
  const { coverage, topReasons } = groups
  const lines = topReasons.map(
    ({ reason, elements }) => `  ${integer(elements)} parameters kept by: ${reasonInWords(reason)}`,
  )
  return [`coverage: ${percent(coverage, 1)} of the parameters have a dimension that can be pruned`, ...lines].join(
    '\n',
  )
}

/**
 * A reason for which something stays, in words.
 *
 * @param reason as in `analysis.frozen`
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, Prunable, Tensor } from 'espalier'
 * import { reasonInWords } from 'espalier/analysis'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * for (const { name, reasons } of analysis.frozen) console.log(`${name}: ${reasons.map(reasonInWords).join(', ')}`)
 * // conv.weight: model input
 * // fc.weight: model output
 * // fc.bias: model output
 * ```
 */
export function reasonInWords(reason: FreezeReason): string {
  REASON_IN_WORDS.check(reason)
  const { kind, operator, scope } = reason
  return [kind, operator, scope ? `in ${scope}` : undefined].filter(Boolean).join(' ')
}

function membersInWords(members: readonly Member[]): string {
  const counts = new Map<MemberUse, number>()
  for (const { use } of members) counts.set(use, (counts.get(use) ?? 0) + 1)
  return [...counts].map(([use, count]) => `${count} ${USE_NAMES[use]}`).join(', ')
}

export function scopesInWords({ scopes }: ChannelGroup, shown = 3): string {
  const more = scopes.length - shown
  const names = scopes.slice(0, shown).map((scope) => scope || '(root)')
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '')
}
