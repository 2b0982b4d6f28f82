import { signature } from '../base/schema/index.js'
import type { Manifest } from './manifest.js'
import { MANIFEST } from './read.js'

/** Indices of one dimension that two cuts disagree about. */
export interface Disagreement {
  name: string
  dim: number
  /** Kept by the first alone, ascending. */
  onlyFirst: readonly number[]
  /** Kept by the second alone, ascending. */
  onlySecond: readonly number[]
}

/** Where two cuts differ. */
export interface ManifestDiff {
  /** Whether both cut the same network. */
  sameNetwork: boolean
  /** In the order of the first; empty when both keep the same. */
  dimensions: readonly Disagreement[]
  /** After each cut. */
  params: readonly [number, number]
  macs: readonly [number, number]
}

/** @internal */
export const DIFF_MANIFESTS = signature('diffManifests', ['first', MANIFEST], ['second', MANIFEST])

/**
 * What two cuts keep differently. A dimension that one of them leaves whole is kept entirely by it.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for what is no manifest
 * @example
 * ```ts
 * import { diffManifests, load, makeManifest, prune, Tensor } from 'espalier'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const half = makeManifest(await prune(model, { inputs, ratio: 0.5 }))
 * const most = makeManifest(await prune(model, { inputs, ratio: 0.75 }))
 * const { params, dimensions } = diffManifests(half, most)
 * console.log(params, dimensions[0])
 * // [ 75, 40 ] { name: 'conv.weight', dim: 0, onlyFirst: [ 2 ], onlySecond: [] }
 * ```
 */
export function diffManifests(first: Manifest, second: Manifest): ManifestDiff {
  DIFF_MANIFESTS.check(first, second)
  const places = new Map<string, { name: string; dim: number }>()
  for (const { keep } of [first, second]) {
    for (const [name, dims] of Object.entries(keep)) {
      for (const dim of Object.keys(dims)) places.set(`${name} ${dim}`, { name, dim: Number(dim) })
    }
  }
  const dimensions = [...places.values()].flatMap(({ name, dim }) => {
    const size = (first.sizes[name] ?? second.sizes[name])?.[dim] ?? 0
    const kept = ({ keep }: Manifest) => keep[name]?.[dim] ?? Array.from({ length: size }, (_, i) => i)
    const [a, b] = [kept(first), kept(second)]
    const [inA, inB] = [new Set(a), new Set(b)]
    const onlyFirst = a.filter((i) => !inB.has(i))
    const onlySecond = b.filter((i) => !inA.has(i))
    return onlyFirst.length + onlySecond.length > 0 ? [{ name, dim, onlyFirst, onlySecond }] : []
  })
  return {
    sameNetwork: first.fingerprint === second.fingerprint,
    dimensions,
    params: [first.params[1], second.params[1]],
    macs: [first.macs[1], second.macs[1]],
  }
}
