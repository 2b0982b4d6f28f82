import { EspalierError } from '../base/errors.js'
import { count, dictionary, like, list, signature, thing } from '../base/schema/index.js'
import { OPTIMIZER_STATE } from '../optim/optimizer.js'
import { call, keep as keepAlive, scope, Tensor } from '../torch/index.js'
import { indicesOf } from '../torch/indices.js'
import type { OptimizerState } from '../train/index.js'
import type { Manifest } from './manifest.js'

/** What maps tensors from before a cut to after it, and back. */
export type Cut = Pick<Manifest, 'keep' | 'sizes'> & Partial<Pick<Manifest, 'directions'>>

const SHAPE = list(count(0), 'a list of sizes')
const CUT = like<Cut>('a manifest, or its keep and sizes', {
  keep: dictionary(dictionary(SHAPE, 'an object of dimensions'), 'an object'),
  sizes: dictionary(SHAPE, 'an object of shapes'),
})
const TENSORS = thing<ReadonlyMap<string, Tensor>>(
  'a Map of Tensors by name',
  (value) => value instanceof Map && [...value.values()].every((tensor) => tensor instanceof Tensor),
)
/** @internal */
export const SHRINK_TENSORS = signature('shrinkTensors', ['cut', CUT], ['tensors', TENSORS])
/** @internal */
export const EXPAND_TENSORS = signature('expandTensors', ['cut', CUT], ['tensors', TENSORS])
/** @internal */
export const CARRY_STATE = signature('carryState', ['cut', CUT], ['state', OPTIMIZER_STATE])

/**
 * Cuts tensors of the original network as the cut did: its own parameters, or anything of their shapes (a mask, a
 * momentum). Tensors that the cut left alone are copied.
 *
 * @param cut a manifest
 * @param tensors by name of the parameter or buffer
 * @returns new tensors, to be disposed of by the caller
 * @throws EspalierError ERR_INVALID_ARGUMENT when a tensor has another shape than before the cut; ERR_DISPOSED
 * @example
 * ```ts
 * import { load, makeManifest, prune, shrinkTensors, Tensor } from 'espalier'
 *
 * const model = await load('model.pt')
 * const manifest = makeManifest(await prune(model, { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 }))
 * console.log(shrinkTensors(manifest, model.parameters()).get('conv.weight')!.shape) // [ 2, 3, 3, 3 ]
 * ```
 */
export function shrinkTensors(cut: Cut, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  SHRINK_TENSORS.check(cut, tensors)
  return mapped(tensors, (name, tensor) => {
    mustHaveShape(name, tensor, cut.sizes[name])
    let small = tensor
    for (const [dim, kept] of Object.entries(cut.keep[name] ?? {})) {
      small = call('aten::index_select', [small, Number(dim), indicesOf(small, kept)]) as Tensor
    }
    return small === tensor ? (call('aten::clone', [tensor]) as Tensor) : small
  })
}

/**
 * Puts tensors of the small network back to their original shapes, with zeros at what was cut (ones in the
 * directions of a weight norm, of which zero is none). Tensors that the cut left alone are copied. `shrinkTensors` of the
 * result gives the tensors back.
 *
 * @param cut a manifest
 * @param tensors by name of the parameter or buffer
 * @returns new tensors, to be disposed of by the caller
 * @throws EspalierError ERR_INVALID_ARGUMENT when a tensor has another shape than after the cut; ERR_DISPOSED
 * @example
 * ```ts
 * import { expandTensors, load, makeManifest, prune, Tensor } from 'espalier'
 *
 * const result = await prune(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 })
 * const whole = expandTensors(makeManifest(result), result.small.parameters())
 * console.log(whole.get('conv.weight')!.shape) // [ 4, 3, 3, 3 ]
 * ```
 */
export function expandTensors(cut: Cut, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  EXPAND_TENSORS.check(cut, tensors)
  return mapped(tensors, (name, tensor) => {
    const shape = cut.sizes[name]
    const dims = cut.keep[name] ?? {}
    mustHaveShape(
      name,
      tensor,
      shape?.map((size, dim) => dims[dim]?.length ?? size),
    )
    let large = tensor
    for (const [dim, kept] of Object.entries(dims)) {
      const wide = large.shape.map((size, d) => (d === Number(dim) ? (shape?.[d] ?? size) : size))
      const fill = cut.directions?.[name]?.includes(Number(dim)) ? 1 : 0
      const filled = call('aten::add.Scalar', [
        Tensor.zeros(wide, { dtype: tensor.dtype, device: tensor.device }),
        fill,
      ]) as Tensor
      large = call('aten::index_copy', [filled, Number(dim), indicesOf(large, kept), large]) as Tensor
    }
    return large === tensor ? (call('aten::clone', [tensor]) as Tensor) : large
  })
}

/**
 * Carries the state of an optimizer over a cut, so that training goes on where it was: give the result to `bind` with the
 * parameters of the small model.
 *
 * @param cut a manifest
 * @param state of an optimizer of the original network
 * @returns new tensors, to be disposed of by the caller
 * @throws EspalierError ERR_INVALID_ARGUMENT when a tensor has another shape than before the cut; ERR_DISPOSED
 * @example
 * ```ts
 * import { adamw, carryState, load, makeManifest, prune, Tensor } from 'espalier'
 *
 * const [model, factory] = [await load('model.pt'), adamw({ lr: 1e-3 })]
 * const before = factory.bind(model.parameters())
 * await before.step()
 * const result = await prune(model, { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 })
 * const after = factory.bind(result.small.parameters(), carryState(makeManifest(result), before.state()))
 * console.log(after.state().steps) // 1
 * ```
 */
export function carryState(cut: Cut, state: OptimizerState): OptimizerState {
  CARRY_STATE.check(cut, state)
  const tensors = new Map(
    [...state.tensors].map(([name, parts]) => {
      const small = Object.entries(parts).map(([part, tensor]) => {
        const [cutTensor] = shrinkTensors(cut, new Map([[name, tensor]])).values()
        return [part, cutTensor as Tensor] as const
      })
      return [name, Object.fromEntries(small)]
    }),
  )
  return { steps: state.steps, tensors }
}

function mapped(
  tensors: ReadonlyMap<string, Tensor>,
  change: (name: string, tensor: Tensor) => Tensor,
): Map<string, Tensor> {
  return scope(() => new Map([...tensors].map(([name, tensor]) => [name, keepAlive(change(name, tensor))])))
}

function mustHaveShape(name: string, { shape }: Tensor, wanted: readonly number[] | undefined): void {
  if (wanted === undefined || shape.join() === wanted.join()) return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `${name} has shape [${shape}] where the cut knows [${wanted}]`)
}
