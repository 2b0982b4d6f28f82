import { isDeepStrictEqual } from 'node:util'
import { EspalierError } from '../base/errors.js'
import { ON_PROGRESS } from '../base/progress.js'
import { maybe, object, shown, signature } from '../base/schema/index.js'
import type { Manifest } from '../manifest/manifest.js'
import { normsOf, planOf } from '../manifest/plan-of.js'
import { checkManifest, MANIFEST } from '../manifest/read.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import type { InterfaceOptions, InterfaceReport, MethodOptions, ModuleInput, ScriptModule } from '../torch/index.js'
import { INTERFACE_ENTRIES } from '../torch/interface.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, METHODS } from '../torch/module-calls.js'
import { Prunable, type PruneResult } from './prunable.js'

export interface ReplayOptions extends InterfaceOptions, MethodOptions {
  /** What the graph is recorded on, and the cut verified. */
  inputs: readonly ModuleInput[]
  /** As those of {@link prune}; by default the methods that the manifest let go. */
  dropMethods?: readonly string[] | true | undefined
  /** As that of {@link prune}; by default what the manifest did. */
  dropUnreached?: boolean | undefined
  /** Told how far the cut and its proof are, from 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const REPLAY = signature(
  'replay',
  ['model', MODULE],
  ['manifest', MANIFEST],
  [
    'options',
    object<ReplayOptions>({
      ...INTERFACE_ENTRIES,
      methods: METHODS,
      inputs: EXAMPLE_INPUTS,
      onProgress: maybe(ON_PROGRESS),
      signal: RUN_ENTRIES.signal,
    }),
  ],
)

function mustDropTheSame(claimed: InterfaceReport['unreached'], result: PruneResult): void {
  const names = (report: InterfaceReport['unreached']) => report.flatMap(({ name, dropped }) => (dropped ? [name] : []))
  const [wanted, found] = [names(claimed), names(result.interface?.unreached ?? [])]
  if (isDeepStrictEqual(wanted, found)) return
  result.small.dispose()
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    `the manifest lets go of ${shown(wanted)}, but of this model ${shown(found)} is what \`forward\` never reads`,
  )
}

/**
 * Repeats a cut on another checkpoint of the same network: the same indices go, whatever the weights are. Verified as any
 * cut is. What the manifest let go, methods and tensors, goes again unless the options say otherwise. The model given stays as
 * it is.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT when the manifest is of another network, naming the first difference, or
 *   keeps what hangs together apart; ERR_VERIFICATION, ERR_UNSUPPORTED, ERR_ABORTED as `prune`
 * @example
 * ```ts
 * import { load, makeManifest, prune, replay, Tensor } from 'espalier'
 *
 * const inputs = [Tensor.zeros([1, 3, 8, 8])]
 * const manifest = makeManifest(await prune(await load('model.pt'), { inputs, ratio: 0.5 }))
 * const other = await load('model.pt') // another checkpoint of the network
 * const { small } = await replay(other, manifest, { inputs })
 * console.log(small.parameters().get('conv.weight')!.shape) // [ 2, 3, 3, 3 ]
 * ```
 */
export async function replay(model: ScriptModule, manifest: Manifest, options: ReplayOptions): Promise<PruneResult> {
  REPLAY.check(model, manifest, options)
  checkManifest(manifest)
  const told = manifest.interface
  const {
    dropMethods = told?.methods.dropped,
    dropUnreached = told?.unreached.some(({ dropped }) => dropped),
    onProgress,
    ...recorded
  } = options
  const prunable = await Prunable.of(model, { ...recorded, norms: normsOf(manifest) })
  try {
    const plan = planOf(manifest, prunable.analysis)
    const result = await prunable.cut(plan, {
      ...{ signal: recorded.signal, dropMethods, dropUnreached, onProgress },
    })
    if (told && options.dropUnreached === undefined) mustDropTheSame(told.unreached, result)
    return result
  } finally {
    prunable.dispose()
  }
}
