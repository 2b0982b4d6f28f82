import { EspalierError } from '../base/errors.js'
import { func, maybe, object, signal, signature } from '../base/schema/index.js'
import type { Analysis } from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import { ScriptModule } from '../torch/index.js'
import type { ImportanceContext, Observe } from './types.js'
import { OWNER, type ParameterOwner, weightsOf } from './weights.js'

/** What {@link importanceContext} is made from. */
export interface ScoredParts {
  /** Its parameters are scored; a criterion gets at more of it when it is a ScriptModule. */
  model: ParameterOwner
  groups: Analysis
  observe?: Observe | undefined
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const IMPORTANCE_CONTEXT = signature('importanceContext', [
  'options',
  object<ScoredParts>({ model: OWNER, groups: ANALYSIS, observe: maybe(func<Observe>()), signal: maybe(signal) }),
])

/**
 * What every criterion is given, whoever asks it: with the weights as they are now.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { groupL2, load, Prunable, Tensor } from 'espalier'
 * import { importanceContext } from 'espalier/analysis'
 *
 * const { model, analysis: groups } = await Prunable.of(await load('model.pt'), { inputs: [Tensor.zeros([1, 3, 8, 8])] })
 * const scores = await groupL2()(importanceContext({ model, groups }))
 * console.log(scores.get(0)!.length) // 4
 * ```
 */
export function importanceContext(options: ScoredParts): ImportanceContext {
  IMPORTANCE_CONTEXT.check(options)
  const { model, observe = withoutData, ...rest } = options
  return { ...rest, observe, weights: weightsOf(model), model: model instanceof ScriptModule ? model : undefined }
}

const withoutData: Observe = async () => {
  throw new EspalierError('ERR_INVALID_ARGUMENT', 'the criterion looks at data, and there are none', {
    hint: "Give 'data', batches of the model's inputs, to score() or prune(); sparsify has its training data.",
  })
}
