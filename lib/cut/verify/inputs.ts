import { Random } from '../../base/random.js'
import { isFloating } from '../../record/record.js'
import { call, type ModuleInput, Tensor } from '../../torch/index.js'
import { indicesOf } from '../../torch/indices.js'
import { mapTensors } from '../../torch/inputs.js'

/** New sizes of dimensions of the tensors among the inputs, which are numbered in the order in which they stand. */
export type Sizes = ReadonlyMap<number, ReadonlyMap<number, number>>

/** The tensors among the inputs of a model, in order. */
export function tensorsOf(inputs: readonly ModuleInput[]): Tensor[] {
  const found: Tensor[] = []
  mapTensors(inputs, (tensor) => {
    found.push(tensor)
    return tensor
  })
  return found
}

/** Each tensor joined to itself along dimension 0. */
export function doubled(inputs: readonly ModuleInput[]): ModuleInput[] {
  return mapTensors(inputs, (t) => (t.shape.length > 0 ? (call('aten::cat', [[t, t], 0]) as Tensor) : t))
}

/** Longer ones repeat what they hold from the start, so that token ids stay ids. */
export function resized(inputs: readonly ModuleInput[], sizes: Sizes): ModuleInput[] {
  return mapTensors(inputs, (tensor, index) => {
    let result = tensor
    for (const [dim, size] of sizes.get(index) ?? []) {
      const before = tensor.shape[dim] as number
      const indices = indicesOf(
        tensor,
        Array.from({ length: size }, (_, i) => i % before),
      )
      result = call('aten::index_select', [result, dim, indices]) as Tensor
    }
    return result
  })
}

/** Floating-point tensors in another dtype. */
export function cast(inputs: readonly ModuleInput[], dtype: string): ModuleInput[] {
  return mapTensors(inputs, (t) => (isFloating(t.dtype) ? (call('aten::to.dtype', [t, dtype]) as Tensor) : t))
}

/** Floating-point tensors with noise of their own size added, at least 1: an example of zeros tells nothing of weights. */
export function noisy(inputs: readonly ModuleInput[], seed: number): ModuleInput[] {
  const random = new Random(seed)
  return mapTensors(inputs, (tensor) => {
    if (!isFloating(tensor.dtype)) return tensor
    const noise = Float64Array.from({ length: tensor.numel }, () => 2 * random.uniform() - 1)
    const size = call('aten::max', [call('aten::abs', [tensor]) as Tensor]) as Tensor
    const scale = tensor.numel > 0 ? Math.max(1, Number(size.item())) : 1
    const added = Tensor.from(
      noise.map((x) => x * scale),
      tensor.shape,
      { device: tensor.device },
    )
    return call('aten::to.dtype', [call('aten::add.Tensor', [tensor, added, 1]) as Tensor, tensor.dtype]) as Tensor
  })
}
