import { untilAborted } from '../../base/abort.js'
import { mustBeBatch } from './batch-check.js'
import type { Dataset } from './dataset.js'

/** @internal Whether its examples say what is right, by the first of them. @throws ERR_ABORTED; ERR_INVALID_ARGUMENT for what is no batch */
export async function isLabelled(dataset: Dataset, signal?: AbortSignal): Promise<boolean> {
  if (dataset.size === 0) return true
  const batch = await untilAborted(dataset.batch(Int32Array.of(0)), signal)
  mustBeBatch(batch, 1, dataset.inputNames)
  return batch.targets !== undefined
}
