import { type Axis, fixedAxis } from '../axes/axes.js'
import type { LengthRule } from '../sizes/lengths.js'
import type { Tensor } from './graph.js'
import { at, first, sameLengths } from './lengths.js'
import type { Op } from './op.js'
import { type Family, operators, type Relate } from './operator.js'
import { partsLeft } from './resize.js'
import { RESHAPE } from './views.js'

/** `channels x r²` pixels to blocks of r x r pixels. */
const pixelShuffle: Relate = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  const block = op.int('upscale_factor', 1) ** 2
  const { outer, inner } = op.split(x.axes[at] as Axis, block, { outer: 0, inner: 0 })
  op.fix(inner, 'pixels of a block')
  spatial(op, x, at, outer)
}

const pixelUnshuffle: Relate = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  spatial(op, x, at, op.merge(x.axes[at] as Axis, fixedAxis(op.int('downscale_factor', 1) ** 2)))
}

/** New channels at dimension `at`; what follows are pixels. */
function spatial(op: Op, x: Tensor, at: number, channels: Axis): void {
  for (const axis of x.axes.slice(at + 1)) op.fix(axis, 'window axis')
  const rest = op.outputShape().slice(at + 1)
  op.output(
    [...x.axes.slice(0, at), channels, ...rest.map(fixedAxis)],
    [...x.zero.slice(0, at), x.zero[at] === true, ...rest.map(() => false)],
  )
}

/** `groups x n` channels to `n x groups`. */
const channelShuffle: Relate = (op) => {
  const x = op.input('self')
  const channels = x.axes[1] as Axis
  const { outer, inner } = op.split(channels, channels.length / op.int('groups', 1), RESHAPE)
  const shuffled = op.merge(inner, outer)
  op.output(
    x.axes.map((axis, d) => (d === 1 ? shuffled : axis)),
    x.zero,
  )
}

/** `unfold` of images: [N, C, H, W] to [N, C x window, positions]; and back. */
const unfoldImage: Relate = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 3
  for (const axis of x.axes.slice(at + 1)) op.fix(axis, 'window axis')
  const shape = op.outputShape()
  const channels = x.axes[at] as Axis
  const merged = op.merge(channels, fixedAxis((shape[at] as number) / channels.length))
  op.output(
    [...x.axes.slice(0, at), merged, fixedAxis(shape[at + 1] as number)],
    [...x.zero.slice(0, at), x.zero[at] === true, false],
  )
}

const foldImage: Relate = (op) => {
  const x = op.input('self')
  const at = x.axes.length - 2
  op.fix(x.axes[at + 1] as Axis, 'window axis')
  const shape = op.outputShape()
  const rows = x.axes[at] as Axis
  const { outer, inner } = op.split(rows, rows.length / (shape[at] as number), { outer: 0, inner: 0 })
  op.fix(inner, 'window axis')
  op.output(
    [...x.axes.slice(0, at), outer, ...shape.slice(at + 1).map(fixedAxis)],
    [...x.zero.slice(0, at), x.zero[at] === true, false, false],
  )
}

/** `x.unfold(dim, size, step)`: windows over one dimension, which get a dimension of their own at the end. */
const unfold: Relate = (op) => {
  const x = op.input('self')
  const at = op.dim(op.int('dimension', 0), x.axes.length)
  op.fix(x.axes[at] as Axis, 'window axis')
  const shape = op.outputShape()
  op.output(
    shape.map((size, d) => (d === at || d === x.axes.length ? fixedAxis(size) : (x.axes[d] as Axis))),
    shape.map((_, d) => d !== at && x.zero[d] === true),
  )
}

const unfoldedLengths: LengthRule = (op) => {
  const x = first(op)
  const d = at(op.int('dimension') ?? 0, x?.sizes.length ?? 0)
  return x && [...x.lengths.map((length, e) => (e === d ? undefined : length)), op.number('size')]
}

/** Channels, each `n` times or one for each `n`, at dimension `-2` of the images' columns. */
const columnLengths: LengthRule = (op, shape) => {
  const x = first(op)
  const d = op.entry.name === 'aten::im2col' ? shape.length - 2 : shape.length - 3
  const [from, to] = [x?.sizes[d] ?? 1, shape[d] as number]
  return shape.map((_, e) => (e < d ? x?.lengths[e] : e === d ? x?.lengths[d]?.scaled(to, from) : undefined))
}

function shuffledLengths(ratio: (r: number) => readonly [number, number], factor: string): LengthRule {
  return (op, shape) => {
    const x = first(op)
    const [multiply, divide] = ratio(op.int(factor) ?? 1)
    const channel = shape.length - 3
    return shape.map((_, d) =>
      d < channel ? x?.lengths[d] : d === channel ? x?.lengths[d]?.scaled(multiply, divide) : undefined,
    )
  }
}

export const pixels: Family = [
  ...operators('pixel_shuffle', 'channels; pixels of a block go together', {
    ...{ relate: pixelShuffle, lengths: shuffledLengths((r) => [1, r * r], 'upscale_factor') },
  }),
  ...operators('pixel_unshuffle', 'channels; pixels stay', {
    ...{ relate: pixelUnshuffle, lengths: shuffledLengths((r) => [r * r, 1], 'downscale_factor') },
  }),
  ...operators('channel_shuffle native_channel_shuffle', 'channels, group by group', {
    ...{ relate: channelShuffle, lengths: sameLengths, resize: partsLeft('groups', 'self') },
  }),
  ...operators('im2col', 'channels; windows and pixels stay', { relate: unfoldImage, lengths: columnLengths }),
  ...operators('col2im', 'channels; windows and pixels stay', { relate: foldImage, lengths: columnLengths }),
  ...operators('unfold', 'other dimensions; the one with windows stays', {
    relate: unfold,
    lengths: unfoldedLengths,
    view: true,
  }),
]
