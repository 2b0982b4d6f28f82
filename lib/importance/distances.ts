/** How far the units of a group are from each other: natively where the weights are tensors, else here. */

import type { Member } from '../groups/groups.js'
import { type OpArg, type OpCall, type ResultReference, run, scope, Tensor } from '../torch/index.js'
import type { WeightSource } from './weights.js'

/** A member, with the coordinates of each unit one after the other, as many of each. */
export interface Part {
  member: Member
  coordinates: Int32Array
}

/**
 * For each unit the sum of its Euclidean distances to all others, in float64. A unit is the vector of all its slices, over all
 * parts.
 */
export async function distanceSums(
  parts: readonly Part[],
  units: number,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<Float64Array> {
  if (parts.length === 0) return new Float64Array(units)
  const { tensor } = weights
  return tensor === undefined ? plainSums(parts, units, weights) : nativeSums(parts, units, tensor, signal)
}

function plainSums(parts: readonly Part[], units: number, weights: WeightSource): Float64Array {
  const vectors = Array.from({ length: units }, (): number[] => [])
  for (const { member, coordinates } of parts) {
    const { shape, data } = weights(member.name)
    const inner = shape.slice(member.dim + 1).reduce((a, b) => a * b, 1)
    const length = shape[member.dim] as number
    const outer = shape.slice(0, member.dim).reduce((a, b) => a * b, 1)
    const each = coordinates.length / units
    coordinates.forEach((coordinate, k) => {
      const vector = vectors[Math.floor(k / each)] as number[]
      for (let o = 0; o < outer; o++) {
        const start = (o * length + coordinate) * inner
        for (let i = 0; i < inner; i++) vector.push(data[start + i]!)
      }
    })
  }
  const sums = new Float64Array(units)
  vectors.forEach((one, u) => {
    for (let v = 0; v < u; v++) {
      const distance = Math.sqrt(one.reduce((sum, x, k) => sum + (x - vectors[v]![k]!) ** 2, 0))
      sums[u]! += distance
      sums[v]! += distance
    }
  })
  return sums
}

/** Elements that are float64 at a time: 128 MB. */
const ROOM = 2 ** 24

async function nativeSums(
  parts: readonly Part[],
  units: number,
  tensorOf: (name: string) => Tensor,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  // Made outside of the scope, which disposes of what is made in it.
  const tensors = parts.map(({ member }) => tensorOf(member.name))
  const sums = new Float64Array(units)
  const rows = Math.max(1, Math.min(units, Math.floor(ROOM / units)))
  for (let first = 0; first < units; first += rows) {
    const last = Math.min(first + rows, units)
    const block = await scope(async () => {
      const program = blockOf(parts, tensors, units, first, last)
      const [result] = await run(program, { signal, returns: [program.length - 1] })
      return (result as Tensor).to('cpu').data() as Float64Array
    })
    sums.set(block, first)
  }
  return sums
}

/**
 * The sums of units `first` to `last`, as the last result: `|x - y|² = |x|² + |y|² - 2xy`, of vectors less their mean, which takes away
 * what all have in common and would round off the rest.
 */
function blockOf(
  parts: readonly Part[],
  tensors: readonly Tensor[],
  units: number,
  first: number,
  last: number,
): OpCall[] {
  const program: OpCall[] = []
  const push = (op: string, ...args: OpArg[]): ResultReference => ({ result: program.push({ op, args }) - 1 })
  const { device } = tensors[0] as Tensor
  const products = Tensor.zeros([last - first, units], { dtype: 'float64', device })
  const squares = Tensor.zeros([units], { dtype: 'float64', device })
  for (const [k, { member, coordinates }] of parts.entries()) {
    const tensor = tensors[k] as Tensor
    const index = Tensor.from(coordinates, [coordinates.length], { device })
    for (const piece of piecesOf(tensor.shape, member.dim, coordinates.length)) {
      const { along, start, end } = piece
      const part = along === undefined ? tensor : push('aten::slice.Tensor', tensor, along, start, end, 1)
      const chosen = push('aten::index_select', part, member.dim, index)
      const leading = push('aten::movedim.int', chosen, member.dim, 0)
      const flat = push('aten::reshape', leading, [units, piece.elements / units])
      const wide = push('aten::to.dtype', flat, 'float64')
      const vectors = push('aten::sub.Tensor', wide, push('aten::mean.dim', wide, [0], true), 1)
      const own = push('aten::slice.Tensor', vectors, 0, first, last, 1)
      push('aten::addmm_', products, own, push('aten::t', vectors))
      push('aten::add_.Tensor', squares, push('aten::sum.dim_IntList', push('aten::square', vectors), [1]), 1)
    }
  }
  const own = push('aten::slice.Tensor', squares, 0, first, last, 1)
  const both = push('aten::add.Tensor', push('aten::unsqueeze', own, 1), squares, 1)
  const squared = push('aten::clamp_min', push('aten::sub.Tensor', both, products, 2), 0)
  const distances = push('aten::sqrt', squared)
  // A unit is at no distance from itself, whatever was rounded.
  push('aten::zero_', push('aten::diagonal', distances, first))
  push('aten::sum.dim_IntList', distances, [1])
  return program
}

/** A part of a tensor, along another dimension than that of the units. */
interface Piece {
  along?: number
  start: number
  end: number
  elements: number
}

/** Pieces in which the chosen coordinates have at most {@link ROOM} elements, where another dimension allows it. */
function piecesOf(shape: readonly number[], dim: number, coordinates: number): Piece[] {
  const others = shape.map((size, d) => (d === dim ? 0 : size))
  const length = Math.max(...others)
  const rest = shape.reduce((all, size, d) => (d === dim ? all : all * size), 1)
  const elements = coordinates * rest
  if (elements <= ROOM || length <= 1) return [{ start: 0, end: 0, elements }]
  const step = Math.max(1, Math.floor((ROOM / elements) * length))
  const along = others.indexOf(length)
  return Array.from({ length: Math.ceil(length / step) }, (_, k) => {
    const [start, end] = [k * step, Math.min((k + 1) * step, length)]
    return { along, start, end, elements: (elements / length) * (end - start) }
  })
}
