import { type Plan, removedUnits } from '../../cut/index.js'
import type { Analysis } from '../../groups/index.js'
import { type Box, pictureOf, sum } from '../boxes.js'
import { boxesOf, type Fold, foldsOf, type Part } from '../fold.js'

/** A network as a page draws it, as plain JSON. */
export interface Network {
  boxes: readonly NetworkBox[]
  /** From which box to which, by their positions in `boxes`. */
  arrows: readonly (readonly [number, number])[]
  root: NetworkPart
}

export interface NetworkBox {
  lines: readonly string[]
  /** The one that it is coloured by. */
  group: number | undefined
  /** All whose units it has. */
  groups: readonly number[]
  /** What it is found by beside its lines, which may be shortened: paths. */
  scopes: readonly string[]
  end: boolean
}

/** Boxes that fold into one, which has these lines. */
export interface NetworkPart {
  name: string
  lines: readonly string[]
  /** Positions of boxes, and what folds within. */
  parts: readonly (number | NetworkPart)[]
}

/** What a page needs to draw a model. @param plan shows sizes before and after; those of the model alone without */
export function networkOf(analysis: Analysis, plan?: Plan): Network {
  const picture = pictureOf(analysis, plan ? removedUnits(analysis, plan) : new Uint8Array(0))
  const { boxes, arrows } = picture
  const gone = new Map(plan?.removed.map(({ group, units }) => [group, units.length]))
  const width = (group: number) => analysis.groups[group]?.size ?? 0
  const partOf = (part: Part): number | NetworkPart => (typeof part === 'number' ? part : foldOf(part))
  const foldOf = (fold: Fold): NetworkPart => {
    const own = boxesOf(fold).map((id) => boxes[id] as Box)
    const groups = [...new Set(own.flatMap((box) => box.groups))]
    const operators = own.flatMap((box) => box.operators).length
    const before = groups.reduce((all, group) => all + width(group), 0)
    const after = groups.reduce((all, group) => all - (gone.get(group) ?? 0), before)
    const lines = [
      fold.name,
      fold.alike > 1 ? `${fold.alike} alike, ${operators / fold.alike} operators each` : `${operators} operators`,
      own.at(-1)?.shape ?? '',
      ...(groups.length === 0
        ? []
        : [`${groups.length} ${groups.length === 1 ? 'group' : 'groups'}: ${becomes(before, after)} units`]),
      ...costLines(own),
    ]
    return { name: fold.name, lines: lines.filter((line) => line !== ''), parts: fold.parts.map(partOf) }
  }
  return {
    boxes: boxes.map((box) => ({
      lines: [...box.lines, ...costLines([box])],
      group: box.group,
      groups: box.groups,
      scopes: box.scopes,
      end: box.isEnd,
    })),
    arrows: arrows.map(({ from, to }) => [from, to]),
    root: foldOf(foldsOf(picture)),
  }
}

function costLines(boxes: readonly Box[]): string[] {
  const [before, after] = [sum(boxes.map((box) => box.before)), sum(boxes.map((box) => box.after))]
  return (['params', 'macs'] as const).flatMap((what) =>
    before[what] === 0 ? [] : [`${becomes(before[what], after[what])} ${NAMES[what]}`],
  )
}

const NAMES = { params: 'parameters', macs: 'MACs' } as const
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

/** `1.23M → 617K`. */
const becomes = (before: number, after: number): string =>
  before === after ? COMPACT.format(before) : `${COMPACT.format(before)} → ${COMPACT.format(after)}`
