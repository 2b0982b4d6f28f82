import { ON_PROGRESS } from '../base/progress.js'
import { maybe, object, signature } from '../base/schema/index.js'
import type { PlanOptions } from '../cut/index.js'
import { ANALYSE_ENTRIES } from '../groups/analyse.js'
import type { AnalyseOptions } from '../groups/index.js'
import { groupL2, type Importance } from '../importance/index.js'
import { IMPORTANCE } from '../importance/types.js'
import { PLAN_ENTRIES } from '../plan/schemas.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import type { InterfaceOptions, MethodOptions, ModuleInput, ScriptModule } from '../torch/index.js'
import { INTERFACE_ENTRIES } from '../torch/interface.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, INPUT_BATCHES, METHODS } from '../torch/module-calls.js'
import { Prunable, type PruneResult, planFor } from './prunable.js'

export interface PruneOptions extends PlanOptions, AnalyseOptions, InterfaceOptions, MethodOptions {
  /** What the graph is recorded on, and the cut verified: one for each input of the model. */
  inputs: readonly ModuleInput[]
  /** How the units to remove are chosen; {@link groupL2} by default. */
  importance?: Importance | undefined
  /** Inputs of the model, batch after batch, for an importance that looks at what the model does with them; none by default. */
  data?: AsyncIterable<readonly ModuleInput[]> | undefined
  /** Told how far the cut and its proof are, from 0 to 1; nothing by default. */
  onProgress?: ((part: number) => void) | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const PRUNE = signature(
  'prune',
  ['model', MODULE],
  [
    'options',
    object<PruneOptions>({
      ...PLAN_ENTRIES,
      ...ANALYSE_ENTRIES,
      ...INTERFACE_ENTRIES,
      methods: METHODS,
      inputs: EXAMPLE_INPUTS,
      importance: maybe(IMPORTANCE),
      data: maybe(INPUT_BATCHES),
      onProgress: maybe(ON_PROGRESS),
      signal: RUN_ENTRIES.signal,
    }),
  ],
)

/**
 * Makes a model smaller in one shot, without training: record, group, score, plan, cut, verify. The model given stays as it
 * is. Expect to lose accuracy: {@link sparsify} is the way to lose none.
 *
 * @returns the small model in eval mode, to be disposed of by the caller, and what the cut was made of
 * @throws EspalierError ERR_BUDGET with the best possible, ERR_NOTHING_PRUNABLE, ERR_NOT_FINITE naming the parameter,
 *   ERR_VERIFICATION, ERR_INVALID_ARGUMENT, also when the model doesn't run on the inputs, ERR_UNSUPPORTED naming a method that
 *   the cut would break, ERR_ABORTED
 * @example
 * ```ts
 * import { load, prune, Tensor } from 'espalier'
 *
 * const model = await load('model.pt')
 * const { small, plan } = await prune(model, { inputs: [Tensor.zeros([1, 3, 8, 8])], budget: { macs: 0.5 } })
 * console.log(plan.macs) // [ 6932, 3466 ]
 * await small.save('model-small.pt')
 * ```
 */
export async function prune(model: ScriptModule, options: PruneOptions): Promise<PruneResult> {
  PRUNE.check(model, options)
  const {
    inputs,
    importance = groupL2(),
    data,
    onProgress,
    signal,
    methods,
    norms,
    dropMethods,
    dropUnreached,
    ...planOptions
  } = options
  const prunable = await Prunable.of(model, { inputs, methods, norms, signal })
  try {
    const scores = await prunable.score(importance, { data, signal })
    const { plan, latency } = await planFor(prunable, scores, planOptions, { signal })
    const result = await prunable.cut(plan, { signal, dropMethods, dropUnreached, onProgress })
    return latency === undefined ? result : { ...result, latency }
  } finally {
    prunable.dispose()
  }
}
