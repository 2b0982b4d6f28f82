import { writeFileAtomic } from '../files.js'
import type { Analysis } from '../graph/index.js'
import type { Plan, Verification } from '../prune/index.js'
import { fingerprintOf, type TensorSizes } from './fingerprint.js'

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
  directions: Plan['directions']
  removed: readonly { group: number; kind: string; size: number; scopes: readonly string[]; units: readonly number[] }[]
  /** Before and after. */
  params: readonly [number, number]
  /** Multiply-adds on the example inputs, before and after. */
  macs: readonly [number, number]
  /** Norms and means over a cut axis, which compute over what is left of it; empty for an exact cut. */
  approximate: Plan['approximate']
  verification: Verification
}

/** What a manifest is made of; the result of `prune` and `sparsify` holds it. */
export interface CutResult {
  analysis: Analysis
  plan: Plan
  verification: Verification
}

export function makeManifest({ analysis, plan, verification }: CutResult): Manifest {
  const removed = plan.removed.map(({ group: id, units }) => {
    const group = analysis.groups[id]
    return { group: id, kind: group?.kind ?? '', size: group?.size ?? 0, scopes: group?.scopes ?? [], units }
  })
  const { keep, directions, params, macs, approximate } = plan
  const { fingerprint, sizes } = fingerprintOf(analysis.record)
  const shrunk = Object.fromEntries(Object.keys(keep).map((name) => [name, sizes[name] ?? []]))
  return { schema: 1, fingerprint, sizes: shrunk, keep, directions, removed, params, macs, approximate, verification }
}

/**
 * Writes the manifest of a cut as JSON, by a temporary name and a rename.
 *
 * @throws EspalierError `ERR_WRITE`
 */
export async function saveManifest(path: string, result: CutResult): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(makeManifest(result), null, 1)}\n`)
}
