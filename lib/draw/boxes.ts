import {
  type Analysis,
  type ChannelGroup,
  flatArgs,
  keptSize,
  type OpEntry,
  type Removed,
  type ValueId,
} from '../groups/index.js'
import { operatorSizes, type Size } from '../measure/count.js'
import { modulesOf, parentOf } from './modules.js'

/** A run of operators that hand one value on: what is drawn as one box. */
export interface Box {
  id: number
  /** Lines of text: operators, where, shape and groups. */
  lines: readonly string[]
  /** The group whose channels it makes; undefined when its channels are frozen. */
  group: number | undefined
  /** All groups whose units its value has, the first one before. */
  groups: readonly number[]
  /** An input or output of the model. */
  isEnd: boolean
  /** The module that its operators are written in: a path; empty for the root. */
  module: string
  /** Names of its operators. */
  operators: readonly string[]
  /** All that its operators run in, each once: paths, as the model has them. */
  scopes: readonly string[]
  /** The shape of its value, in words: `[1, 64 → 32, 56, 56]`. */
  shape: string
  before: Size
  after: Size
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
  module: string
  reads: Set<number>
  output: ValueId | undefined
  group: number | undefined
}

/**
 * Draws up the boxes: live operators that make tensors. An operator joins the box before it when it reads nothing else,
 * nothing else reads that, and both are of one group and one module.
 */
export function pictureOf(analysis: Analysis, removed: Removed): Picture {
  const { record, live } = analysis
  const runs: Run[] = []
  const madeBy = new Map<ValueId, number>()
  const moduleOf = modulesOf(record.ops)
  record.inputs.forEach((arg) => {
    for (const id of flatArgs(arg)) {
      if (!isDrawn(analysis, id)) continue
      madeBy.set(id, runs.length)
      runs.push({ ops: [], module: '', reads: new Set(), output: id, group: undefined })
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
      before.module === moduleOf(op) &&
      outputs.length === 1 &&
      new Set(sources).size === 1 &&
      readers.get(before.output ?? -1) === 1
    if (joins) {
      before.ops.push(op)
      before.output = outputs[0]
    } else {
      const output = outputs.length === 1 ? outputs[0] : undefined
      runs.push({ ops: [op], module: moduleOf(op), reads: new Set(sources), output, group })
    }
    const at = joins ? (sources[0] as number) : runs.length - 1
    for (const id of outputs) madeBy.set(id, at)
  }
  const sizes = [new Uint8Array(0), removed].map((gone) => operatorSizes(analysis, gone))
  const boxes = runs.map((run, id): Box => {
    const { ops, module, output, group } = run
    const [before, after] = sizes.map((each) => sum(ops.map((op) => each.get(op)))) as [Size, Size]
    const isEnd = ops.length === 0
    const shape = shapeOf(analysis, output, removed)
    const groups = output === undefined ? (group === undefined ? [] : [group]) : groupsOf(analysis, output)
    const scopes = [...new Set(ops.map(({ scope }) => scope).filter(Boolean))]
    const lines = isEnd ? [`input ${id}`, shape] : linesOf(analysis, run, scopes, shape, groups)
    const operators = ops.map(({ name }) => shortName(name))
    return {
      id,
      lines: lines.filter((line) => line !== ''),
      group,
      groups,
      isEnd,
      module,
      operators,
      scopes,
      shape,
      before,
      after,
    }
  })
  const arrows = runs.flatMap(({ reads }, to) => [...reads].map((from) => ({ from, to })))
  flatArgs(record.output).forEach((id, k) => {
    const from = madeBy.get(id)
    if (from === undefined) return
    arrows.push({ from, to: boxes.length })
    boxes.push({ ...END, id: boxes.length, lines: [`output ${k}`] })
  })
  return { boxes, arrows }
}

const NOTHING: Size = { params: 0, macs: 0 }
const END: Omit<Box, 'id' | 'lines'> = {
  ...{
    group: undefined,
    groups: [],
    isEnd: true,
    module: '',
    operators: [],
    scopes: [],
    shape: '',
    before: NOTHING,
    after: NOTHING,
  },
}

/** What several cost together. */
export const sum = (sizes: readonly (Size | undefined)[]): Size =>
  sizes.reduce<Size>(
    (all, { params, macs } = NOTHING) => ({ params: all.params + params, macs: all.macs + macs }),
    NOTHING,
  )

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

const shortName = (operator: string): string => operator.replace(/^\w+::/, '')

function linesOf(
  analysis: Analysis,
  { ops }: Run,
  scopes: readonly string[],
  shape: string,
  groups: readonly number[],
): string[] {
  const names = wrap(ops.map(({ name }) => shortName(name)))
  const [first = '', ...others] = scopes
  const rest = others.slice(-1).map((scope) => scope.slice(shared(first, scope)))
  const where = atMost([first, ...(others.length > 1 ? ['…'] : []), ...rest].join(' '))
  const units = groups.slice(0, MOST_GROUPS).map((id) => {
    const { size, kind, exact } = analysis.groups[id] as ChannelGroup
    return `group ${id}: ${size} ${kind}${exact ? '' : ', approximate'}`
  })
  const more = groups.length > MOST_GROUPS ? [`and ${groups.length - MOST_GROUPS} more groups`] : []
  return [...names, where, shape, ...units, ...more]
}

/** How much of a path stands in another of the same module already. */
const shared = (first: string, other: string): number => {
  const parent = parentOf(first)
  return parent !== '' && other.startsWith(`${parent}.`) ? parent.length + 1 : 0
}

/** The end of a long line says more than its beginning. */
const atMost = (line: string): string =>
  line.length <= WIDEST ? line : `…${line.slice(1 - WIDEST).replace(/^[^. ]*\.?/, '')}`

function wrap(words: readonly string[]): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length + 2 <= WIDEST) lines[lines.length - 1] = `${last}, ${word}`
    else lines.push(word)
  }
  return lines
}

/** `[1, 64 → 32, 56, 56]`: sizes before and after; nothing for what is no tensor. */
function shapeOf(analysis: Analysis, id: ValueId | undefined, removed: Removed): string {
  const value = id === undefined ? undefined : analysis.record.values[id]
  if (value?.kind !== 'tensor') return ''
  const axes = analysis.axesOf(id as ValueId)
  const sizes = value.shape.map((size, d) => {
    const axis = axes?.[d]
    const kept = axis && removed.length > 0 ? keptSize(axis, removed) : size
    return kept === size ? `${size}` : `${size} → ${kept}`
  })
  return `[${sizes.join(', ')}]`
}
