import { untilAborted } from '../base/abort.js'
import { maybe, object, signature } from '../base/schema/index.js'
import { analyse, cutAndVerify, makePlan, type Plan, type PlanOptions, type Verification } from '../cut/index.js'
import type { Analysis } from '../groups/index.js'
import { assertFiniteScores, groupL2, type Importance, weightsOf } from '../importance/index.js'
import { IMPORTANCE } from '../importance/types.js'
import { PLAN_ENTRIES } from '../plan/schemas.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import type { InterfaceOptions, InterfaceReport, MethodOptions, ModuleInput, ScriptModule } from '../torch/index.js'
import { INTERFACE_ENTRIES } from '../torch/interface.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, METHODS } from '../torch/module-calls.js'

export interface PruneOptions extends PlanOptions, InterfaceOptions, MethodOptions {
  /** What the graph is recorded on, and the cut verified: one for each input of the model. */
  exampleInputs: readonly ModuleInput[]
  /** How the units to remove are chosen; {@link groupL2} by default. */
  importance?: Importance | undefined
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
      ...INTERFACE_ENTRIES,
      methods: METHODS,
      exampleInputs: EXAMPLE_INPUTS,
      importance: maybe(IMPORTANCE),
      signal: RUN_ENTRIES.signal,
    }),
  ],
)

export interface PruneResult {
  /** The smaller model, in eval mode. The caller disposes it. */
  small: ScriptModule
  analysis: Analysis
  plan: Plan
  verification: Verification
  /** What became of other methods than `forward`, and the tensors that it never reads. */
  interface: InterfaceReport
}

/**
 * Makes a model smaller in one shot, without training: record, group, score, plan, cut, verify. The model given stays as it
 * is. Expect to lose accuracy: {@link sparsify} is the way to lose none.
 *
 * @throws ERR_BUDGET with the best possible, ERR_NOTHING_PRUNABLE, ERR_NOT_FINITE naming the parameter, ERR_VERIFICATION,
 *   ERR_INVALID_ARGUMENT, ERR_UNSUPPORTED naming a method that the cut would break, ERR_ABORTED
 */
export async function prune(model: ScriptModule, options: PruneOptions): Promise<PruneResult> {
  PRUNE.check(model, options)
  const { exampleInputs, importance = groupL2(), signal, methods, dropMethods, dropUnreached, ...planOptions } = options
  const around = { signal, dropMethods, dropUnreached }
  const copy = model.clone().eval()
  try {
    const recording = await copy.record(exampleInputs, { signal, methods })
    try {
      const analysis = analyse(recording.record)
      const weights = weightsOf(copy)
      const scores = await untilAborted(importance({ groups: analysis, weights }), signal)
      assertFiniteScores(analysis, scores, weights)
      const plan = makePlan(analysis, scores, planOptions)
      const { small, verification } = await cutAndVerify(copy, recording, analysis, plan, exampleInputs, around)
      return { small: small.eval(), analysis, plan, verification, interface: small.interface as InterfaceReport }
    } finally {
      recording.dispose()
    }
  } finally {
    copy.dispose()
  }
}
