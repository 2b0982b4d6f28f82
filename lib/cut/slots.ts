import { type Arg, flatArgs, type OpEntry, survives, type UnitAxis, type ValueId } from '../groups/index.js'
import type { Polynomial } from '../sizes/polynomial.js'
import type { Compiler } from './edits.js'

/** Demands new widths of an operator's arguments; returns the positions it has dealt with. Other numbers stay what they were. */
type Slots = (compiler: Compiler, op: OpEntry) => Set<number>

/** Groups of a convolution: channels read, over channels that each filter reads. */
const groups: Slots = (compiler, op) => {
  const input = compiler.position(op, 'groups')
  const id = op.inputs[input]
  const x = compiler.tensorId(op, 'input')
  const weight = compiler.tensorId(op, 'weight')
  if (typeof id !== 'number' || x === undefined || weight === undefined) return new Set()
  const transposed = op.inputs[compiler.position(op, 'transposed')]
  const flag = typeof transposed === 'number' ? compiler.analysis.record.values[transposed] : undefined
  const swapped = op.name.startsWith('aten::conv_transpose') || (flag?.kind === 'bool' && flag.value === true)
  const w = compiler.widths.shape(weight)
  const channels = swapped ? outputShape(compiler, op) : compiler.widths.shape(x)
  const channel = channels.length - (w.length - 2) - 1
  const wanted = compiler.scalars.before(id) === 1 ? 1 : (channels[channel] ?? 1) / (w[1] ?? 1)
  compiler.require(op, { node: op.node, input }, id, wanted)
  return new Set([input])
}

/** How many of the groups into which an axis is divided have something left. */
const groupsLeft =
  (argument: string, tensor: string): Slots =>
  (compiler, op) => {
    const input = compiler.position(op, argument)
    const id = op.inputs[input]
    const axis = axesOf(compiler, op, tensor)?.[1]
    const before = typeof id === 'number' ? compiler.scalars.before(id) : undefined
    if (typeof id !== 'number' || !axis || before === undefined) return new Set()
    const size = axis.size / before
    let left = 0
    for (let g = 0; g < before; g++) if (kept(compiler, axis, g * size, (g + 1) * size) > 0) left++
    compiler.require(op, { node: op.node, input }, id, left)
    return new Set([input])
  }

const outputSizes =
  (argument: string): Slots =>
  (compiler, op) =>
    compiler.requireList(op, argument, outputLengths(compiler, op))

/** `unflatten(dim, sizes)`: the sizes stand where the dimension was. */
const unflattenSizes: Slots = (compiler, op) => {
  const dim = dimOf(compiler, op, axesOf(compiler, op, 'self')?.length ?? 0)
  return compiler.requireList(op, 'sizes', outputLengths(compiler, op).slice(dim))
}

/** `normalized_shape`: the last dimensions of the input. */
const normalizedShape: Slots = (compiler, op) => {
  const input = op.inputs[compiler.position(op, 'normalized_shape')]
  const rank = typeof input === 'object' ? input.length : 0
  return compiler.requireList(op, 'normalized_shape', outputLengths(compiler, op).slice(-rank))
}

/** `repeat(sizes)`: how often each dimension of the output holds that of the input. */
const repeats =
  (argument: string): Slots =>
  (compiler, op) => {
    const x = compiler.tensorId(op, 'self')
    const times = flatArgs(op.inputs[compiler.position(op, argument)] ?? [])
    const lengths = outputLengths(compiler, op)
    const shift = lengths.length - (x === undefined ? 0 : compiler.widths.shape(x).length)
    const wanted = lengths.slice(lengths.length - times.length).map((length, k) => {
      const d = lengths.length - times.length + k - shift
      // As often as before, but for a dimension of 1 that is stretched to a width.
      const own = x === undefined || d < 0 ? undefined : compiler.widths.shape(x)[d]
      return (own ?? 1) === 1 ? length : undefined
    })
    return compiler.requireList(op, argument, wanted)
  }

const interleaved: Slots = (compiler, op) => {
  const x = compiler.tensorId(op, 'self')
  const own = x === undefined ? [] : compiler.widths.shape(x)
  const dim = dimOf(compiler, op, own.length)
  const input = compiler.position(op, 'repeats')
  const id = op.inputs[input]
  const length = outputLengths(compiler, op)[dim]
  if (typeof id !== 'number' || compiler.scalars.before(id) === undefined || !length || own[dim] !== 1) return new Set()
  compiler.require(op, { node: op.node, input }, id, length)
  return new Set([input])
}

/** Equal parts as long as they stay equal, else a list of sizes. */
const parts: Slots = (compiler, op) => {
  const sizes = partSizes(compiler, op)
  const argument = ['split_sizes', 'split_size', 'chunks', 'sections', 'indices'].find(
    (name) => compiler.position(op, name) >= 0,
  )
  const input = compiler.position(op, argument ?? '')
  const id = op.inputs[input]
  const handled = new Set([input])
  const recorded = recordedPartSizes(compiler, op)
  if (argument === undefined || id === undefined || sizes.every((size, k) => size === recorded[k])) return new Set()
  if (typeof id === 'object' && argument !== 'indices') return compiler.requireList(op, argument, sizes)
  const total = sizes.reduce((a, b) => a + b, 0)
  const count = typeof id === 'number' ? (compiler.scalars.before(id) ?? 1) : 1
  const wanted = argument === 'chunks' ? Math.ceil(total / count) : (sizes[0] as number)
  const rule = argument === 'chunks' || argument === 'split_size'
  const even = rule && sizes.every((size, k) => size === Math.min(wanted, total - k * wanted))
  if (!even) compiler.rewrite(op, { node: op.node, form: 'split_with_sizes', sizes })
  else if (typeof id === 'number')
    compiler.require(op, { node: op.node, input }, id, argument === 'chunks' ? count : wanted)
  return handled
}

/** `x[start:end:step]` where the axis shrinks: new bounds, or a selection where the step no longer fits. */
const bounds: Slots = (compiler, op) => {
  const names = op.name.endsWith('narrow') ? ['start', 'length'] : ['start', 'end']
  const handled = new Set(names.map((name) => compiler.position(op, name)))
  const axes = axesOf(compiler, op, 'self')
  const dim = dimOf(compiler, op, axes?.length ?? 0)
  const axis = axes?.[dim]
  if (!axis || !shrinks(compiler, axis)) return new Set()
  const [startId, endId] = names.map((name) => op.inputs[compiler.position(op, name)])
  const number = (arg: Arg | undefined) => (typeof arg === 'number' ? compiler.scalars.before(arg) : undefined)
  const clamp = (i: number) => Math.min(Math.max(i < 0 ? i + axis.size : i, 0), axis.size)
  const start = clamp(number(startId) ?? 0)
  const second = number(endId)
  const end = names[1] === 'length' ? start + (second ?? 0) : clamp(second ?? axis.size)
  const step = number(op.inputs[compiler.position(op, 'step')]) ?? 1
  if (step !== 1) {
    const taken = Array.from({ length: Math.ceil((end - start) / step) }, (_, k) => start + k * step)
    compiler.rewrite(op, { node: op.node, form: 'index_select', dim, indices: renumbered(compiler, axis, taken) })
    return handled
  }
  const [from, to] = [kept(compiler, axis, 0, start), kept(compiler, axis, 0, end)]
  const place = (name: string) => ({ node: op.node, input: compiler.position(op, name) })
  if (typeof startId === 'number' && number(startId) !== undefined) compiler.require(op, place('start'), startId, from)
  if (typeof endId === 'number' && second !== undefined) {
    const own = compiler.widths.length(compiler.tensorId(op, 'self') as ValueId, dim)
    // Beyond the end is beyond the end; the length of any input, where that is asked for.
    const open = end === axis.size && !compiler.scalars.isComputed(endId)
    if (names[1] === 'length') compiler.require(op, place('length'), endId, own.value === undefined ? own : to - from)
    else if (!open) compiler.require(op, place('end'), endId, own.value === undefined ? own : to)
  }
  return handled
}

/** The index that `select` takes, among what is left. */
const taken: Slots = (compiler, op) => {
  const input = compiler.position(op, 'index')
  const id = op.inputs[input]
  const axes = axesOf(compiler, op, 'self')
  const index = typeof id === 'number' ? compiler.scalars.before(id) : undefined
  const axis = axes?.[dimOf(compiler, op, axes.length)]
  if (!axis || typeof id !== 'number' || index === undefined || !shrinks(compiler, axis)) return new Set()
  const at = kept(compiler, axis, 0, index < 0 ? index + axis.size : index)
  compiler.require(op, { node: op.node, input }, id, index < 0 ? at - compiler.widths.size(axis) : at)
  return new Set([input])
}

/** A known selection of indices, where some of them are gone. */
const selection: Slots = (compiler, op) => {
  const axes = axesOf(compiler, op, 'self')
  const arg = op.inputs[compiler.position(op, op.name === 'aten::index' ? 'indices' : 'index')]
  const ids = typeof arg === 'number' ? [arg] : flatArgs(arg ?? [])
  ids.forEach((id, place) => {
    const value = compiler.analysis.record.values[id]
    if (!axes || value?.kind !== 'tensor' || !value.data) return
    const dim = op.name === 'aten::index' ? place : dimOf(compiler, op, axes.length)
    const axis = axes[dim] as UnitAxis
    if (!shrinks(compiler, axis)) return
    const indices = renumbered(
      compiler,
      axis,
      value.data.map((i) => (i < 0 ? i + axis.size : i)),
    )
    compiler.rewrite(op, { node: op.node, form: 'index_select', dim, indices })
  })
  return new Set()
}

/** `roll` by `shift`: what is left of the last `shift` indices comes first. */
const shifts: Slots = (compiler, op) => {
  const axes = axesOf(compiler, op, 'self')
  const dims = op.inputs[compiler.position(op, 'dims')]
  const now = op.inputs[compiler.position(op, 'shifts')]
  if (!axes || typeof dims !== 'object' || typeof now !== 'object') return new Set()
  const wanted = dims.map((id, k) => {
    const dim = typeof id === 'number' ? (compiler.scalars.before(id) ?? 0) : 0
    const axis = axes[dim < 0 ? dim + axes.length : dim] as UnitAxis
    const own = now[k]
    const shift = typeof own === 'number' ? compiler.scalars.before(own) : undefined
    if (shift === undefined || !shrinks(compiler, axis)) return undefined
    const by = ((shift % axis.size) + axis.size) % axis.size
    return kept(compiler, axis, axis.size - by, axis.size)
  })
  return compiler.requireList(op, 'shifts', wanted)
}

/** How much is added before and after each dimension, last dimension first. */
const amounts: Slots = (compiler, op) => {
  const x = axesOf(compiler, op, 'self')
  const output = op.outputs[0]
  const made = typeof output === 'number' ? compiler.analysis.axesOf(output) : undefined
  const now = op.inputs[compiler.position(op, 'pad')]
  if (!x || !made || typeof now !== 'object') return new Set()
  const wanted = now.map((id, k) => {
    const before = typeof id === 'number' ? compiler.scalars.before(id) : undefined
    const axis = made[made.length - 1 - Math.floor(k / 2)]
    if (before === undefined || before <= 0 || !axis || !shrinks(compiler, axis)) return undefined
    return k % 2 === 0 ? kept(compiler, axis, 0, before) : kept(compiler, axis, axis.size - before, axis.size)
  })
  return compiler.requireList(op, 'pad', wanted)
}

/** Attention scales by the width of a head; it goes on with the one that it was trained with. */
const attentionScale: Slots = (compiler, op) => {
  const input = compiler.position(op, 'scale')
  const id = op.inputs[input]
  const axis = axesOf(compiler, op, 'query')?.at(-1)
  if (typeof id === 'number' && axis && shrinks(compiler, axis)) {
    const given = compiler.scalars.before(id)
    if (given === undefined) compiler.constant(op, { node: op.node, input }, 1 / Math.sqrt(axis.size))
  }
  return new Set()
}

/** A dimension that shrinks to 1 does not vanish with those that were 1 before: these are named. */
const squeezed: Slots = (compiler, op) => {
  const x = compiler.tensorId(op, 'self')
  const value = x === undefined ? undefined : compiler.analysis.record.values[x]
  if (x === undefined || value?.kind !== 'tensor') return new Set()
  const { shape } = value
  const arg = op.inputs[compiler.position(op, 'dim')]
  const asked = arg === undefined ? undefined : flatArgs(arg).map((id) => compiler.scalars.before(id) ?? 0)
  const named = shape.map((_, d) => d).filter((d) => !asked || asked.includes(d) || asked.includes(d - shape.length))
  const now = compiler.widths.shape(x)
  const dims = named.filter((d) => shape[d] === 1 || now[d] !== 1)
  if (dims.length < named.length) compiler.rewrite(op, { node: op.node, form: 'squeeze', dims })
  return new Set()
}

function axesOf(compiler: Compiler, op: OpEntry, argument: string): readonly UnitAxis[] | undefined {
  const id = compiler.tensorId(op, argument)
  return id === undefined ? undefined : compiler.analysis.axesOf(id)
}

function shrinks(compiler: Compiler, axis: UnitAxis): boolean {
  return axis.offsets !== undefined && compiler.widths.size(axis) < axis.size
}

/** How many of the coordinates from `start` to `end` are kept. */
function kept(compiler: Compiler, axis: UnitAxis, start: number, end: number): number {
  let n = 0
  for (let i = start; i < end; i++) if (survives(axis, i, compiler.widths.removed)) n++
  return n
}

/** New numbers of those of `indices` that are left. */
function renumbered(compiler: Compiler, axis: UnitAxis, indices: readonly number[]): number[] {
  const numbers: number[] = []
  let next = 0
  for (let i = 0; i < axis.size; i++) numbers.push(survives(axis, i, compiler.widths.removed) ? next++ : -1)
  return indices.map((i) => numbers[i] as number).filter((i) => i >= 0)
}

function outputShape(compiler: Compiler, op: OpEntry): readonly number[] {
  const output = op.outputs[0]
  return typeof output === 'number' ? compiler.widths.shape(output) : []
}

/** Lengths of the first output after the cut, for any input; undefined where they stay. */
function outputLengths(compiler: Compiler, op: OpEntry): readonly (Polynomial | undefined)[] {
  const output = op.outputs[0]
  const axes = typeof output === 'number' ? compiler.analysis.axesOf(output) : undefined
  if (typeof output !== 'number') return []
  return compiler.widths
    .shape(output)
    .map((_, d) => (axes?.[d] && shrinks(compiler, axes[d]) ? compiler.widths.length(output, d) : undefined))
}

function dimOf(compiler: Compiler, op: OpEntry, rank: number): number {
  const arg = op.inputs[compiler.position(op, 'dim')]
  const dim = typeof arg === 'number' ? (compiler.scalars.before(arg) ?? 0) : 0
  return dim < 0 ? dim + rank : dim
}

function partSizes(compiler: Compiler, op: OpEntry): number[] {
  return flatArgs(op.outputs).map((id) => {
    const shape = compiler.widths.shape(id)
    return shape[dimOf(compiler, op, shape.length)] ?? 0
  })
}

function recordedPartSizes(compiler: Compiler, op: OpEntry): number[] {
  return flatArgs(op.outputs).map((id) => {
    const value = compiler.analysis.record.values[id]
    const shape = value?.kind === 'tensor' ? value.shape : []
    return shape[dimOf(compiler, op, shape.length)] ?? 0
  })
}

const slots = (rule: Slots, names: string): [string, Slots][] =>
  names.split(/\s+/).map((name) => [`aten::${name}`, rule])

/** Where operators carry widths in their arguments, by name. */
export const SLOTS: ReadonlyMap<string, Slots> = new Map<string, Slots>([
  ...slots(
    groups,
    'conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d _convolution convolution _convolution_mode',
  ),
  ...slots(groupsLeft('num_groups', 'input'), 'group_norm'),
  ...slots(groupsLeft('groups', 'self'), 'channel_shuffle native_channel_shuffle'),
  ...slots(normalizedShape, 'layer_norm rms_norm _fused_rms_norm'),
  ...slots(outputSizes('size'), 'view _unsafe_view expand broadcast_to zeros ones full empty new_zeros new_ones'),
  ...slots(outputSizes('size'), 'new_full new_empty'),
  ...slots(outputSizes('shape'), 'reshape'),
  ...slots(unflattenSizes, 'unflatten'),
  ...slots(repeats('repeats'), 'repeat'),
  ...slots(repeats('dims'), 'tile'),
  ...slots(interleaved, 'repeat_interleave'),
  ...slots(parts, 'split split_with_sizes chunk tensor_split unsafe_split unsafe_split_with_sizes unsafe_chunk'),
  ...slots(bounds, 'slice narrow'),
  ...slots(taken, 'select'),
  ...slots(selection, 'index_select index'),
  ...slots(shifts, 'roll'),
  ...slots(amounts, 'pad constant_pad_nd'),
  ...slots(attentionScale, 'scaled_dot_product_attention'),
  ...slots(squeezed, 'squeeze squeeze_'),
])
