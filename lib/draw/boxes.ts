import {
  type Analysis,
  type ChannelGroup,
  flatArgs,
  keptSize,
  type OpEntry,
  type Removed,
  type ValueId,
} from '../groups/index.js'

/** A run of operators that hand one value on: what is drawn as one box. */
export interface Box {
  id: number
  /** Lines of text: operators, where, shape and groups. */
  lines: readonly string[]
  /** The group whose channels it makes; undefined when its channels are frozen. */
  group: number | undefined
  /** An input or output of the model. */
  isEnd: boolean
}

export interface Arrow {
  from: number
  to: number
}

/** The operators of a model as boxes and arrows, in the order of execution. */
export interface Picture {
  boxes: readonly Box[]
  arrows: readonly Arrow[]
}

interface Run {
  ops: OpEntry[]
  reads: Set<number>
  output: ValueId | undefined
  group: number | undefined
}

/**
 * Draws up the boxes: live operators that make tensors. An operator joins the box before it when it reads nothing else,
 * nothing else reads that, and both are of one group.
 */
export function pictureOf(analysis: Analysis, removed: Removed): Picture {
  const { record, live } = analysis
  const runs: Run[] = []
  const madeBy = new Map<ValueId, number>()
  record.inputs.forEach((arg) => {
    for (const id of flatArgs(arg)) {
      if (!isDrawn(analysis, id)) continue
      madeBy.set(id, runs.length)
      runs.push({ ops: [], reads: new Set(), output: id, group: undefined })
    }
  })
  const readers = countReaders(analysis)
  for (const op of record.ops) {
    const outputs = op.outputs.flatMap((arg) => flatArgs(arg)).filter((id) => isDrawn(analysis, id))
    if (!live.has(op) || op.speculative || outputs.length === 0) continue
    const sources = op.inputs.flatMap((arg) => flatArgs(arg)).flatMap((id) => madeBy.get(id) ?? [])
    const group = groupsOf(analysis, outputs[0] as ValueId)[0]
    const before = runs[sources[0] ?? -1]
    const joins =
      before !== undefined &&
      before.ops.length > 0 &&
      before.group === group &&
      outputs.length === 1 &&
      new Set(sources).size === 1 &&
      readers.get(before.output ?? -1) === 1
    if (joins) {
      before.ops.push(op)
      before.output = outputs[0]
    } else {
      runs.push({ ops: [op], reads: new Set(sources), output: outputs.length === 1 ? outputs[0] : undefined, group })
    }
    const at = joins ? (sources[0] as number) : runs.length - 1
    for (const id of outputs) madeBy.set(id, at)
  }
  const boxes = runs.map(
    (run, id): Box => ({
      id,
      lines:
        run.ops.length === 0
          ? [`input ${id}`, ...shapeLines(analysis, run.output, removed)]
          : linesOf(analysis, run, removed),
      group: run.group,
      isEnd: run.ops.length === 0,
    }),
  )
  const arrows = runs.flatMap(({ reads }, to) => [...reads].map((from) => ({ from, to })))
  flatArgs(record.output).forEach((id, k) => {
    const from = madeBy.get(id)
    if (from === undefined) return
    arrows.push({ from, to: boxes.length })
    boxes.push({ id: boxes.length, lines: [`output ${k}`], group: undefined, isEnd: true })
  })
  return { boxes, arrows }
}

function isDrawn({ record }: Analysis, id: ValueId): boolean {
  const value = record.values[id]
  return value?.kind === 'tensor' && value.shape.length > 0
}

/** How many live operators, and outputs of the model, read each value. */
function countReaders({ record, live }: Analysis): Map<ValueId, number> {
  const counts = new Map<ValueId, number>()
  const read = (id: ValueId) => counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const op of record.ops) {
    const makes = op.outputs.flatMap((arg) => flatArgs(arg)).some((id) => record.values[id]?.kind === 'tensor')
    if (live.has(op) && makes) for (const id of new Set(op.inputs.flatMap((arg) => flatArgs(arg)))) read(id)
  }
  for (const id of flatArgs(record.output)) read(id)
  return counts
}

/** The groups of which a value has units, the first ones of its widest dimension first. */
function groupsOf(analysis: Analysis, id: ValueId): number[] {
  const axes = (analysis.axesOf(id) ?? []).filter(({ offsets }) => offsets !== undefined)
  const widest = [...axes].sort((a, b) => b.units.length - a.units.length)
  return [...new Set(widest.flatMap(({ units }) => Array.from(new Set(units), (unit) => groupOfUnit(analysis, unit))))]
}

function groupOfUnit({ groups }: Analysis, unit: number): number {
  let first = 0
  const at = groups.findIndex(({ size }) => {
    first += size
    return unit < first
  })
  return at
}

/** Characters in a line of operators. */
const WIDEST = 44
const MOST_GROUPS = 3

function linesOf(analysis: Analysis, { ops, output, group }: Run, removed: Removed): string[] {
  const names = wrap(ops.map(({ name }) => name.replace(/^\w+::/, '')))
  const scopes = [...new Set(ops.map(({ scope }) => scope).filter(Boolean))]
  const where = scopes.length > 2 ? [scopes[0], '…', scopes.at(-1)].join(' ') : scopes.join(' ')
  const groups = output === undefined ? (group === undefined ? [] : [group]) : groupsOf(analysis, output)
  const units = groups.slice(0, MOST_GROUPS).map((id) => {
    const { size, kind, exact } = analysis.groups[id] as ChannelGroup
    return `group ${id}: ${size} ${kind}${exact ? '' : ', approximate'}`
  })
  const more = groups.length > MOST_GROUPS ? [`and ${groups.length - MOST_GROUPS} more groups`] : []
  return [...names, where, ...shapeLines(analysis, output, removed), ...units, ...more].filter((line) => line !== '')
}

function wrap(words: readonly string[]): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length + 2 <= WIDEST) lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(word)
  }
  return lines
}

/** `[1, 64 → 32, 56, 56]`: sizes before and after. */
function shapeLines(analysis: Analysis, id: ValueId | undefined, removed: Removed): string[] {
  const value = id === undefined ? undefined : analysis.record.values[id]
  if (value?.kind !== 'tensor') return []
  const axes = analysis.axesOf(id as ValueId)
  const sizes = value.shape.map((size, d) => {
    const axis = axes?.[d]
    const kept = axis && removed.length > 0 ? keptSize(axis, removed) : size
    return kept === size ? `${size}` : `${size} → ${kept}`
  })
  return [`[${sizes.join(', ')}]`]
}
