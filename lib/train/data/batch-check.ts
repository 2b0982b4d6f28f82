import { EspalierError } from '../../base/errors.js'
import { faultOf, shown } from '../../base/schema/index.js'
import { BATCH, type Batch, checkArray, type Dataset } from './dataset.js'

/** What a dataset gave, which may be the caller's own. @throws ERR_INVALID_ARGUMENT */
export function mustBeBatch(batch: Batch, examples: number, names: Dataset['inputNames']): void {
  const fault = faultOf(BATCH, batch, '', 'batch')
  if (fault !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `dataset.batch(): ${fault.words}`)
  for (const each of [...batch.inputs, ...(batch.targets ? [batch.targets] : [])]) checkArray(each, examples)
  if (names === undefined || names.length === batch.inputs.length) return
  const words = `dataset.batch(): it gave ${batch.inputs.length} inputs for the ${names.length} of 'inputNames'`
  throw new EspalierError('ERR_INVALID_ARGUMENT', `${words}: ${names.map(shown).join(', ')}`)
}
