import { untilAborted } from '../../base/abort.js'
import type { Dataset } from './dataset.js'

/** @internal Whether its examples say what is right, by the first of them. @throws ERR_ABORTED */
export async function isLabelled(dataset: Dataset, signal?: AbortSignal): Promise<boolean> {
  if (dataset.size === 0) return true
  return (await untilAborted(dataset.batch(Int32Array.of(0)), signal)).targets !== undefined
}
