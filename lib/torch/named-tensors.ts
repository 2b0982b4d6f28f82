import type { NamedHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { handleOf, type Tensor, wrapOwned } from './tensor.js'

/** The tensors of one module: one Tensor object for all names, the same at every call unless it was disposed of, or assigned anew. */
export class NamedTensors {
  readonly #owned = new Map<string, Tensor>()

  /** What the native part names, of which the handles go over to this object. */
  of(entries: readonly NamedHandle[]): Map<string, Tensor> {
    const named = new Map<string, Tensor>()
    for (const { names, tensor: handle } of entries) {
      const [first] = names as [string, ...string[]]
      let tensor = this.#owned.get(first)
      const held = tensor !== undefined && !tensor.disposed && binding().tensorSame(handleOf(tensor), handle)
      if (tensor === undefined || !held) {
        tensor = wrapOwned(handle)
        this.#owned.set(first, tensor)
      } else {
        binding().tensorDispose(handle)
      }
      for (const name of names) named.set(name, tensor)
    }
    return named
  }

  dispose(): void {
    for (const tensor of this.#owned.values()) tensor.dispose()
  }
}
