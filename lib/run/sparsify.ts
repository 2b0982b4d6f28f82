import type { ScriptModule } from '../torch/index.js'
import { Run } from './run.js'
import { SPARSIFY, type SparsifyOptions, type SparsifyResult } from './types.js'

/**
 * Makes a model smaller while training it: record, group, train under a regularizer that pushes the units that are to go
 * towards zero, cut, verify, fine-tune. The model given stays as it is; dispose the small one when it is no longer needed.
 *
 * @throws EspalierError ERR_BUDGET with the best possible, before any training; ERR_NOTHING_PRUNABLE; ERR_NOT_FINITE naming the
 *   parameter or the iteration; ERR_VERIFICATION; ERR_UNSUPPORTED naming a method that the cut would break; ERR_CHECKPOINT;
 *   ERR_WRITE and ERR_READ for its file; ERR_TORCH; ERR_ABORTED; ERR_INVALID_ARGUMENT. Use {@link Run} to keep a run's partial
 *   work.
 * @example
 * ```ts
 * import { load, sgd, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const { small, plan } = await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   sparse: { epochs: 30, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
 *   finetune: { epochs: 5, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) },
 * })
 * console.log(plan.macs) // [ 6932, 3466 ]
 * await small.save('model-small.pt')
 * ```
 */
export async function sparsify(model: ScriptModule, options: SparsifyOptions): Promise<SparsifyResult> {
  SPARSIFY.check(model, options)
  const run = new Run(model, options)
  try {
    for await (const record of run) options.onEvent?.(record)
    return run.result
  } catch (error) {
    run.model?.dispose()
    throw error
  }
}
