import { EspalierError } from '../base/errors.js'
import { count, maybe, object, refined, type Schema, signature, text } from '../base/schema/index.js'
import {
  type Analysis,
  type ChannelGroup,
  type Fix,
  type FreezeReason,
  flatArgs,
  type OpEntry,
  type ValueId,
} from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { reasonInWords } from '../report/index.js'
import { type Step, Trail, valuesOf } from './trail.js'

/** What to explain: a dimension of a parameter (all of them without `dim`), all parameters of a scope, or a group by id. */
export type Question = { parameter: string; dim?: number | undefined } | { scope: string } | { group: number }

/** An operator that hands the coordinates on. */
export interface Link {
  /** `aten::conv2d` */
  operator: string
  /** Module path in which it runs; empty for the root. */
  scope: string
}

/** How two dimensions are tied, or one is fixed, link by link. */
export interface Chain {
  /** `bn1.weight[0]`, or what froze: `model output`. */
  to: string
  /** Operators on the shortest way there, first to last. */
  links: readonly Link[]
}

/** Why one dimension goes with others, or stays. */
export interface Explanation {
  parameter: string
  dim: number
  size: number
  /** Groups that have units in it, by id; none when it is frozen. */
  groups: readonly number[]
  /** Why it is frozen; none when it can be pruned. */
  reasons: readonly FreezeReason[]
  /** To every other dimension of its groups; of a frozen one, to what froze it. */
  chains: readonly Chain[]
  /** All of it in words, some lines. */
  text: string
}

/** @internal */
export const EXPLAIN = signature(
  'explain',
  ['analysis', ANALYSIS],
  [
    'question',
    refined(
      object<{ [K in 'parameter' | 'scope']: string | undefined } & { [K in 'dim' | 'group']: number | undefined }>({
        ...{ parameter: maybe(text()), dim: maybe(count(0)), scope: maybe(text()), group: maybe(count(0)) },
      }),
      'an object with a parameter, a scope or a group',
      ({ parameter, dim, scope, group }) =>
        [parameter, scope, group].filter((each) => each !== undefined).length === 1 &&
        (dim === undefined || parameter !== undefined),
    ) as unknown as Schema<Question>,
  ],
)

/**
 * Explains what ties a dimension of a parameter to others, or what freezes it: the chain of operators, in words and as data.
 *
 * @returns one explanation for each dimension asked about; of a group, that of its first member
 * @throws EspalierError ERR_INVALID_ARGUMENT when there is no such parameter, dimension, scope or group
 * @example
 * ```ts
 * import { explain, load, Prunable, Tensor } from 'espalier'
 *
 * const { analysis } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const [explanation] = explain(analysis, { parameter: 'fc.weight', dim: 0 })
 * console.log(explanation!.text)
 * // fc.weight[0], 5 wide, stays: model output
 * //   by aten::linear (fc): model output
 * ```
 */
export function explain(analysis: Analysis, question: Question): Explanation[] {
  EXPLAIN.check(analysis, question)
  const trail = new Trail(analysis)
  return subjects(analysis, question).map((subject) => explainOne(analysis, trail, subject))
}

interface Subject {
  id: ValueId
  name: string
  dim: number
  /** Only these groups, when a group was asked about. */
  only?: ChannelGroup
}

function subjects(analysis: Analysis, question: Question): Subject[] {
  const dimensions = parameterDimensions(analysis)
  const found = (list: Subject[], what: string): Subject[] => {
    if (list.length === 0) throw new EspalierError('ERR_INVALID_ARGUMENT', `the model has no ${what}`)
    return list
  }
  if ('group' in question && question.group !== undefined) {
    const group = analysis.groups[question.group]
    const first = group?.members.find(({ role }) => role === 'parameter')
    const own = dimensions.filter(({ name, dim }) => name === first?.name && dim === first.dim)
    return found(
      own.map((subject) => ({ ...subject, ...(group && { only: group }) })),
      `group ${question.group}`,
    )
  }
  if ('scope' in question && question.scope !== undefined) {
    const { scope } = question
    const inside = dimensions.filter(({ name }) => name === scope || name.startsWith(scope === '' ? '' : `${scope}.`))
    return found(inside, `parameters in scope '${scope}'`)
  }
  const { parameter, dim } = question as Extract<Question, { parameter: string }>
  const own = dimensions.filter((d) => d.name === parameter && (dim === undefined || d.dim === dim))
  return found(own, `parameter '${parameter}'${dim === undefined ? '' : ` with a dimension ${dim}`}`)
}

function parameterDimensions({ record }: Analysis): Subject[] {
  return record.values.flatMap((value, id) =>
    value.kind === 'tensor' && value.role === 'parameter'
      ? value.shape.map((_, dim) => ({ id, name: value.names?.[0] ?? '', dim }))
      : [],
  )
}

function explainOne(analysis: Analysis, trail: Trail, { id, name, dim, only }: Subject): Explanation {
  const value = analysis.record.values[id]
  const size = value?.kind === 'tensor' ? (value.shape[dim] as number) : 0
  const axis = analysis.provenance.axes(id)?.[dim]
  const groups = only
    ? [only]
    : analysis.groups.filter(({ members }) => members.some((m) => m.name === name && m.dim === dim))
  const frozen = analysis.frozen.find((f) => f.name === name && f.dim === dim)
  const ways = axis ? trail.from(id, trail.atoms(axis)) : new Map<ValueId, readonly Step[]>()
  const chains =
    groups.length > 0
      ? chainsToMembers(analysis, groups, ways, name, dim)
      : chainToFix(analysis, trail, axis, ways, frozen?.reasons ?? [])
  const explanation = {
    parameter: name,
    dim,
    size,
    groups: groups.map((group) => group.id),
    reasons: groups.length > 0 ? [] : (frozen?.reasons ?? [{ kind: 'window or size of one' }]),
    chains,
  }
  return { ...explanation, text: inWords(explanation, groups) }
}

function chainsToMembers(
  analysis: Analysis,
  groups: readonly ChannelGroup[],
  ways: ReadonlyMap<ValueId, readonly Step[]>,
  name: string,
  dim: number,
): Chain[] {
  const ids = new Map<string, ValueId>()
  analysis.record.values.forEach((value, id) => {
    if (value.kind === 'tensor' && value.names?.[0]) ids.set(value.names[0], id)
  })
  const places = new Map<string, Chain>()
  for (const member of groups.flatMap(({ members }) => members)) {
    if (member.name === name && member.dim === dim) continue
    const to = `${member.name}[${member.dim}]`
    places.set(to, { to, links: linksOf(ways.get(ids.get(member.name) ?? -1) ?? []) })
  }
  return [...places.values()]
}

/** The shortest way to what fixed something of the axis: an operator, or an end of the model. */
function chainToFix(
  analysis: Analysis,
  trail: Trail,
  axis: Int32Array | undefined,
  ways: ReadonlyMap<ValueId, readonly Step[]>,
  reasons: readonly FreezeReason[],
): Chain[] {
  if (!axis) return []
  const atoms = trail.atoms(axis)
  const touches = (fix: Fix) => [...trail.atoms(fix.axis)].some((atom) => atoms.has(atom))
  const { record, provenance } = analysis
  const chains = [
    ...provenance.fixes.filter(touches).flatMap(({ reason, op }) => {
      const values = op ? valuesOf(op) : flatArgs(record.output)
      return shortest(
        values.flatMap((value) => (ways.has(value) ? [linksOf(ways.get(value) ?? [])] : [])),
        reason.kind,
        op,
      )
    }),
    // What never was free shares nothing with what it was tied to: one operator more leads to it.
    ...reasons.flatMap((reason) => {
      const source = record.ops.find(({ name, scope }) => name === reason.operator && scope === reason.scope)
      const values = (source?.outputs ?? (reason.kind === 'model input' ? record.inputs : [])).flatMap((arg) =>
        flatArgs(arg),
      )
      return shortest(trail.beside(ways, new Set(values)).map(linksOf), reason.kind, source)
    }),
  ]
  const nearest = chains.sort((a, b) => a.links.length - b.links.length)[0]
  return nearest ? [nearest] : []
}

/** The shortest of the ways, with the operator that they lead to at its end. */
function shortest(ways: readonly (readonly Link[])[], to: string, op: OpEntry | undefined): Chain[] {
  const [way] = [...ways].sort((a, b) => a.length - b.length)
  if (!way) return []
  const last = way.at(-1)
  const isThere = op === undefined || (last?.operator === op.name && last.scope === op.scope)
  return [{ to, links: isThere ? way : [...way, { operator: op.name, scope: op.scope }] }]
}

/** Operators in words at either end of a long chain. */
const SHOWN = 3

const linksOf = (way: readonly Step[]): Link[] => way.map(({ op }) => ({ operator: op.name, scope: op.scope }))

function inWords(e: Omit<Explanation, 'text'>, groups: readonly ChannelGroup[]): string {
  const place = `${e.parameter}[${e.dim}], ${e.size} wide,`
  const way = (links: readonly Link[]) => {
    const words = links.map(({ operator, scope }) => (scope ? `${operator} (${scope})` : operator))
    const skipped = words.length - 2 * SHOWN
    if (skipped > 1) words.splice(SHOWN, skipped, `… ${skipped} more …`)
    return words.join(', ')
  }
  if (groups.length === 0) {
    const why = e.reasons.map(reasonInWords).join('; ')
    return [`${place} stays: ${why}`, ...e.chains.map(({ to, links }) => `  by ${way(links)}: ${to}`)].join('\n')
  }
  const together = new Map<string, string[]>()
  for (const { to, links } of e.chains) {
    const words = way(links)
    together.set(words, [...(together.get(words) ?? []), to])
  }
  const own = groups.map(({ id, size, kind }) => `group ${id} (${size} ${kind})`).join(' and ')
  return [
    `${place} is cut with ${own}`,
    ...groups.flatMap(({ approximation }) => approximation.map((words) => `  approximate: ${words}`)),
    ...[...together].map(([words, places]) => `  with ${places.join(', ')}${words && ` by ${words}`}`),
  ].join('\n')
}
