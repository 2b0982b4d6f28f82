// What the operators of native/ops should give, in float64: it goes by indices, and knows nothing of layouts.

import { expect } from 'vitest'
import type { Random } from '../../lib/base/random.js'
import { call, Tensor } from '../../lib/torch/index.js'

export type Slice = readonly [tensor: number, dim: number, coordinate: number, unit: number, scored: number]
type Memory = 'contiguous' | 'channels_last' | 'transposed' | 'unaligned'
export type Floating = 'float32' | 'float64' | 'float16' | 'bfloat16'

interface Case {
  shape: readonly number[]
  /** Penalised dimensions, with a group of units for each. */
  dims: readonly number[]
  memory?: Memory
}

export const CASES: Readonly<Record<string, Case>> = {
  'rows of a linear layer': { shape: [6, 130], dims: [0] },
  'rows and columns of a linear layer': { shape: [33, 70], dims: [0, 1] },
  'columns of a linear layer, transposed in memory': { shape: [33, 70], dims: [1], memory: 'transposed' },
  'both of a transposed one': { shape: [19, 40], dims: [0, 1], memory: 'transposed' },
  'a convolution': { shape: [16, 24, 3, 3], dims: [0, 1] },
  'a convolution, channels last': { shape: [16, 24, 3, 3], dims: [0, 1], memory: 'channels_last' },
  'a large convolution': { shape: [64, 300, 3, 3], dims: [0, 1] },
  'a depthwise convolution': { shape: [40, 1, 3, 3], dims: [0] },
  'a 1x1 convolution': { shape: [17, 31, 1, 1], dims: [0, 1] },
  'a bias': { shape: [37], dims: [0] },
  'a bias of one element': { shape: [1], dims: [0] },
  'the last dimension of a position embedding': { shape: [1, 13, 24], dims: [2] },
  'heads, dimensions and channels of a raw parameter': { shape: [4, 8, 10], dims: [0, 1, 2] },
  'the middle of five dimensions': { shape: [2, 3, 5, 2, 3], dims: [2] },
  'first and last of three': { shape: [5, 7, 6], dims: [0, 2] },
  'columns of a wide embedding': { shape: [300, 12], dims: [1] },
  'a dimension of one': { shape: [9, 1], dims: [1] },
  'no elements': { shape: [0, 4], dims: [1] },
  'memory that starts anywhere': { shape: [9, 257], dims: [0, 1], memory: 'unaligned' },
}

/** Of the result. Coefficients are float32 whatever the weights are. */
export const PRECISION: Record<Floating, number> = { float64: 1e-7, float32: 3e-7, float16: 1e-3, bfloat16: 8e-3 }

export const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export function tensorOf(
  values: Float64Array,
  shape: readonly number[],
  dtype: Floating,
  memory: Memory = 'contiguous',
) {
  const data = Tensor.from(values, shape)
  const typed = call('aten::to.dtype', [data, dtype]) as Tensor
  if (memory === 'channels_last') return call('aten::contiguous', [typed, 'channels_last']) as Tensor
  if (memory === 'transposed')
    return call('aten::t', [call('aten::contiguous', [call('aten::t', [typed])]) as Tensor]) as Tensor
  if (memory === 'unaligned') {
    const room = Tensor.zeros([numel(shape) + 1], { dtype })
    const rest = call('aten::slice.Tensor', [room, 0, 1]) as Tensor
    const view = call('aten::view', [rest, shape]) as Tensor
    return call('aten::copy_', [view, typed]) as Tensor
  }
  return typed
}

/** As the kernel reads it: rounded to the dtype. */
export const read = (tensor: Tensor): Float64Array => {
  const wide = call('aten::to.dtype', [call('aten::contiguous', [tensor]) as Tensor, 'float64']) as Tensor
  return wide.data() as Float64Array
}

/** One group for each penalised dimension; every second dimension's units are met in reverse. */
export function slicesOf({ shape, dims }: Case, tensor = 0, firstUnit = 0): { slices: Slice[]; units: number } {
  const slices: Slice[] = []
  let units = firstUnit
  for (const dim of dims) {
    const size = shape[dim]!
    for (let c = 0; c < size; c++) slices.push([tensor, dim, c, units + (dim % 2 ? size - 1 - c : c), 1])
    units += size
  }
  return { slices, units }
}

/** Coordinates of every element, in row-major order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  for (let flat = 0; flat < numel(shape); flat++) {
    let rest = flat
    const index = new Array<number>(shape.length)
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d] = rest % shape[d]!
      rest = Math.floor(rest / shape[d]!)
    }
    yield index
  }
}

/** By dimension and coordinate: the units that the slice belongs to. */
export function unitsOf(shape: readonly number[], slices: readonly Slice[]): number[][][] {
  const units = shape.map((size) => Array.from({ length: size }, (): number[] => []))
  for (const [, dim, coordinate, unit] of slices) units[dim]![coordinate]!.push(unit)
  return units
}

/** By element: the sum of the reg of all units that its slices belong to. */
export function coefficients(shape: readonly number[], slices: readonly Slice[], reg: Float32Array): Float64Array {
  const units = unitsOf(shape, slices)
  return Float64Array.from(indices(shape), (index) => {
    let sum = 0
    for (let d = 0; d < index.length; d++) for (const unit of units[d]![index[d]!]!) sum += reg[unit]!
    return sum
  })
}

export function plan(tensors: readonly Tensor[], slices: readonly Slice[], reg: Float32Array) {
  const table = Tensor.from(Int32Array.from(slices.flat()), [slices.length, 5])
  const [layout, begin, units, gatherBegin, gatherSlots] = call('espalier::reg_plan', [tensors, table, reg.length]) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ]
  const arena = Tensor.zeros([begin.numel - 1])
  call('espalier::reg_scatter_', [arena, Tensor.from(reg, [reg.length]), begin, units])
  return { layout, arena, gatherBegin, gatherSlots }
}

export function normal(random: Random, length: number): Float64Array {
  return Float64Array.from({ length }, () => random.uniform() + random.uniform() + random.uniform() - 1.5)
}

export function expectClose(got: Float64Array, wanted: Float64Array, tolerance: number): void {
  expect(got.length).toBe(wanted.length)
  got.forEach((g, i) => {
    const error = Math.abs(g - wanted[i]!) / (1 + Math.abs(wanted[i]!))
    if (!(error <= tolerance)) expect.fail(`element ${i}: ${g}, not ${wanted[i]} (relative error ${error})`)
  })
}
