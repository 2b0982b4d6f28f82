import { call, type ModuleOutput, Tensor } from '../../torch/index.js'

/** Numbers of one output tensor. */
export interface Flat {
  shape: readonly number[]
  data: ArrayLike<number | bigint>
}

/** Outputs below this are too close to nothing to compare in proportion. */
export const SILENT = 1e-3

/** The tensors of an output, in order. */
export function flatten(output: ModuleOutput): Flat[] {
  if (output instanceof Tensor) return [{ shape: output.shape, data: readable(output).data() }]
  if (Array.isArray(output)) return output.flatMap(flatten)
  if (output instanceof Map) return [...output.values()].flatMap(flatten)
  return typeof output === 'object' && output !== null ? Object.values(output).flatMap(flatten) : []
}

/** Half-precision and complex numbers have no typed array. */
function readable(tensor: Tensor): Tensor {
  if (tensor.dtype === 'other') return readable(call('aten::view_as_real', [tensor]) as Tensor)
  return /^b?float16$/.test(tensor.dtype) ? (call('aten::to.dtype', [tensor, 'float32']) as Tensor) : tensor
}

/** Largest finite absolute value. */
export function largest(outputs: readonly Flat[]): number {
  let most = 0
  for (const { data } of outputs) {
    for (let i = 0; i < data.length; i++) {
      const size = Math.abs(Number(data[i]))
      if (size > most && size !== Number.POSITIVE_INFINITY) most = size
    }
  }
  return most
}

/**
 * Largest absolute difference over the largest value of the output that it is in, or over {@link SILENT} of the largest of all
 * outputs where that is more. Infinite where shapes differ or one alone is not finite.
 */
export function relativeDifference(given: readonly Flat[], wanted: readonly Flat[]): number {
  if (given.length !== wanted.length) return Number.POSITIVE_INFINITY
  const least = SILENT * Math.max(largest(wanted), SILENT)
  let most = 0
  wanted.forEach((flat, k) => {
    const unit = Math.max(largest([flat]), least)
    most = Math.max(most, difference(given[k] as Flat, flat) / unit)
  })
  return most
}

/** Largest absolute difference of two tensors. */
export function difference(given: Flat, wanted: Flat): number {
  if (given.shape.join() !== wanted.shape.join()) return Number.POSITIVE_INFINITY
  const [a, b] = [given.data, wanted.data]
  let most = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])]
    if (Object.is(x, y)) continue
    const gap = Math.abs(x - y)
    if (!(gap <= most)) most = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap
  }
  return most
}
