import { isDeepStrictEqual } from 'node:util'
import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { withDropped } from '../cut/dropped.js'
import { describePlan, type Plan, unitCount } from '../cut/index.js'
import type { Analysis, NormsOption, Removed } from '../groups/index.js'
import { fingerprintOf, inputShapes } from './fingerprint.js'
import type { Manifest } from './manifest.js'

/**
 * The plan that a manifest tells of, for the same network.
 *
 * @throws ERR_INVALID_ARGUMENT when it is of another network, naming the first difference, or keeps what hangs together apart
 */
export function planOf(manifest: Manifest, analysis: Analysis): Plan {
  mustBeSameNetwork(analysis, manifest)
  const plan = describePlan(analysis, removedBy(analysis, manifest.keep))
  mustKeepTheSame(plan, manifest)
  mustClaimTheSame(analysis, plan, manifest)
  return plan
}

/** How an analysis takes norms for the cut of a manifest. */
export const normsOf = ({ norms }: Manifest): NormsOption => norms ?? 'kept'

function mustBeSameNetwork({ record }: Analysis, manifest: Manifest): void {
  const { fingerprint, sizes } = fingerprintOf(record)
  const different = Object.entries(manifest.sizes).find(([name, shape]) => sizes[name]?.join() !== shape.join())
  if (fingerprint === manifest.fingerprint && different === undefined) return
  const where = different
    ? `${different[0]} is ${sizes[different[0]] ? `[${sizes[different[0]]}]` : 'missing'}, not [${different[1]}]`
    : 'a tensor that was not cut differs'
  throw new EspalierError('ERR_INVALID_ARGUMENT', `the manifest is of another network: ${where}`)
}

/** Units some coordinate of which was not kept. */
function removedBy(analysis: Analysis, keep: Plan['keep']): Removed {
  const removed = new Uint8Array(unitCount(analysis))
  let first = 0
  for (const { size, members } of analysis.groups) {
    const alone = new Map<number, boolean>()
    for (const { name, dim, coords, units } of members) {
      const kept = keep[name]?.[dim]
      const stays = new Set(kept ?? [])
      // A coordinate that other units need too may be gone because of them: a unit is gone when all of its own are.
      coords.forEach((coordinate, k) => {
        const unit = units[k] as number
        const gone = kept !== undefined && !stays.has(coordinate)
        alone.set(unit, (alone.get(unit) ?? true) && gone)
      })
    }
    for (const [unit, gone] of alone) if (gone) removed[first + unit] = 1
    first += size
  }
  return removed
}

function mustKeepTheSame(plan: Plan, manifest: Manifest): void {
  const names = new Set([...Object.keys(plan.keep), ...Object.keys(manifest.keep)])
  for (const name of names) {
    const [own, wanted] = [plan.keep[name] ?? {}, manifest.keep[name] ?? {}]
    for (const dim of new Set([...Object.keys(own), ...Object.keys(wanted)].map(Number))) {
      if (own[dim]?.join() === wanted[dim]?.join()) continue
      const message = `the manifest cuts ${name}, dimension ${dim}, apart from what hangs together with it`
      throw new EspalierError('ERR_INVALID_ARGUMENT', message)
    }
  }
}

/** What the manifest says of the cut: its counts, its units, its approximations. */
function mustClaimTheSame(analysis: Analysis, plan: Plan, manifest: Manifest): void {
  const { record } = analysis
  const sameInputs = manifest.inputs !== undefined && isDeepStrictEqual(manifest.inputs, inputShapes(record))
  const claims = {
    params: [manifest.params, withDropped(plan, analysis, manifest.interface?.unreached ?? []).params],
    // On other inputs there are other counts.
    ...(sameInputs ? { macs: [manifest.macs, plan.macs] } : {}),
    removed: [manifest.removed.map(({ group, units }) => ({ group, units })), plan.removed],
    approximate: [manifest.approximate, plan.approximate],
  }
  for (const [what, [claimed, found]] of Object.entries(claims)) {
    if (isDeepStrictEqual(claimed, found)) continue
    const message = `the manifest's '${what}' is ${shown(claimed)}, but the cut of this model has ${shown(found)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', message)
  }
}
