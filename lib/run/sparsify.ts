import type { ScriptModule } from '../torch/index.js'
import { Run } from './run.js'
import { SPARSIFY, type SparsifyOptions, type SparsifyResult } from './types.js'

/**
 * Makes a model smaller while training it: record, group, train under a regularizer that pushes the units that are to go
 * towards zero, cut, verify, fine-tune. The model given stays as it is; dispose the small one when it is no longer needed.
 *
 *     const model = await load('resnet8.pt')
 *     const { small } = await sparsify(model, {
 *       inputs: [x], data: { train, validation }, loss: 'cross-entropy', budget: { macs: 0.5 },
 *       regularizer: greg1({ ceiling: 1, updateEvery: 5 }),
 *       sparse: { epochs: 15, optimizer: sgd({ lr: 0.01, momentum: 0.9 }) },
 *       finetune: { epochs: 12, optimizer: sgd({ lr: 0.02, momentum: 0.9 }) },
 *     })
 *     await small.save('resnet8-small.pt')
 *
 * @throws ERR_BUDGET with the best possible, before any training; ERR_NOTHING_PRUNABLE; ERR_NOT_FINITE naming the parameter
 *   or the iteration; ERR_VERIFICATION; ERR_ABORTED; ERR_INVALID_ARGUMENT. Use {@link Run} to keep a run's partial work.
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
