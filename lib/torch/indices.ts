import { Tensor } from './tensor.js'

/** @internal int64 `[n]` for operators that pick coordinates of `of`, on its device. */
export function indicesOf(of: Tensor, indices: readonly number[]): Tensor {
  return Tensor.from(BigInt64Array.from(indices, BigInt), [indices.length], { device: of.device })
}
