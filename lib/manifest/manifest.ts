import { writeFileAtomic } from '../base/files.js'
import { toJson } from '../base/json.js'
import { like, path as pathSchema, signature } from '../base/schema/index.js'
import type { Plan, Verification } from '../cut/index.js'
import { VERIFICATION } from '../cut/verify/verify.js'
import type { Analysis, NormsOption } from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { PLAN } from '../plan/schemas.js'
import type { InterfaceReport } from '../torch/index.js'
import { fingerprintOf, inputShapes, type TensorSizes } from './fingerprint.js'

/** What a cut did, as plain JSON: enough to repeat it on another checkpoint, or to check it. */
export interface Manifest {
  /** A newer one is refused by readers. */
  schema: 1
  /** Of the names and shapes of the parameters and buffers before the cut: tells whether a model is of the same network. */
  fingerprint: string
  /** Shapes before the cut of the tensors in `keep`. */
  sizes: TensorSizes
  /** Kept coordinates, ascending, by name of the parameter or buffer and dimension; only dimensions that shrank. */
  keep: Plan['keep']
  /** Dimensions in `keep` that the masked original does not zero, see {@link Plan}; empty but for weight norms. */
  directions?: Plan['directions'] | undefined
  removed: readonly { group: number; kind: string; size: number; scopes: readonly string[]; units: readonly number[] }[]
  /** Before and after. */
  params: readonly [number, number]
  /** Shapes of the tensors among the example inputs, one after the other; absent in a manifest of 0.1. */
  inputs?: readonly (readonly number[])[] | undefined
  /** Multiply-adds on the example inputs, before and after. */
  macs: readonly [number, number]
  /** What norms and means over a cut axis compute; absent in a manifest of 0.1: `'kept'`. */
  norms?: NormsOption | undefined
  /** Norms and means over a cut axis, which compute over what is left of it; empty for an exact cut. */
  approximate: Plan['approximate']
  verification: Verification
  /** Methods beside `forward` that were kept, cut along or dropped, and the tensors that `forward` never reads. */
  interface?: InterfaceReport
}

/** What a manifest is made of; the result of `prune` and `sparsify` holds it. */
export interface CutResult {
  analysis: Analysis
  plan: Plan
  verification: Verification
  interface?: InterfaceReport | undefined
}

const CUT_RESULT = like<CutResult>('what prune(), sparsify() or replay() gave', {
  analysis: ANALYSIS,
  plan: PLAN,
  verification: VERIFICATION,
})
/** @internal */
export const MAKE_MANIFEST = signature('makeManifest', ['result', CUT_RESULT])
/** @internal */
export const SAVE_MANIFEST = signature('saveManifest', ['path', pathSchema], ['result', CUT_RESULT])

/**
 * The manifest of a cut, as plain JSON.
 *
 * @param result what `prune`, `sparsify`, `replay` or `Prunable.cut` gave
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, makeManifest, prune, Tensor } from 'espalier'
 *
 * const result = await prune(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 })
 * console.log(makeManifest(result).params) // [ 145, 75 ]
 * ```
 */
export function makeManifest(result: CutResult): Manifest {
  MAKE_MANIFEST.check(result)
  const { analysis, plan, verification } = result
  const removed = plan.removed.map(({ group: id, units }) => {
    const group = analysis.groups[id]
    return { group: id, kind: group?.kind ?? '', size: group?.size ?? 0, scopes: group?.scopes ?? [], units }
  })
  const { keep, directions, params, macs, approximate } = plan
  const { fingerprint, sizes } = fingerprintOf(analysis.record)
  const shrunk = Object.fromEntries(Object.keys(keep).map((name) => [name, sizes[name] ?? []]))
  const inputs = inputShapes(analysis.record)
  const { norms } = analysis.options
  const cut = { sizes: shrunk, keep, directions, removed }
  const manifest = { schema: 1 as const, fingerprint, ...cut, params, inputs, macs, norms, approximate, verification }
  return result.interface === undefined ? manifest : { ...manifest, interface: result.interface }
}

/**
 * Writes the manifest of a cut as JSON, by a temporary name and a rename.
 *
 * @param result what `prune`, `sparsify`, `replay` or `Prunable.cut` gave
 * @throws EspalierError ERR_WRITE with the system's reason; ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, loadManifest, prune, saveManifest, Tensor } from 'espalier'
 *
 * const result = await prune(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])], ratio: 0.5 })
 * await saveManifest('model-small.json', result)
 * const { keep } = await loadManifest('model-small.json')
 * console.log(keep['fc.weight']) // { '1': [ 2, 3 ] }
 * ```
 */
export async function saveManifest(path: string, result: CutResult): Promise<void> {
  SAVE_MANIFEST.check(path, result)
  await writeFileAtomic(path, `${toJson(makeManifest(result), 1)}\n`)
}
