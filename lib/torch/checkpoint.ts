import { resolve } from 'node:path'
import type { NativeInput } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { handleOf, type Tensor } from './tensor.js'
import { lift, lower } from './values.js'

/** What a checkpoint file holds, by name. */
export type Entries = Readonly<Record<string, Tensor | string>>

/**
 * @internal Writes tensors and texts as one dict, as `torch.save` does: `torch.load(path, weights_only=True)` reads it. The file
 * appears under its name whole or not at all.
 *
 * @throws EspalierError ERR_WRITE with the system's reason
 */
export async function writeEntries(path: string, entries: Entries): Promise<void> {
  await binding().checkpointWrite(resolve(path), lower(entries) as Record<string, NativeInput>)
}

/** @internal @throws EspalierError ERR_CHECKPOINT for a file that is none, or is damaged */
export async function readEntries(path: string): Promise<Entries> {
  return lift(await binding().checkpointRead(resolve(path))) as Entries
}

/** @internal State of LibTorch's random numbers, by device: `cpu`, `cuda:0`, … */
export async function randomState(): Promise<Readonly<Record<string, Tensor>>> {
  return lift(await binding().randomState()) as Record<string, Tensor>
}

/** @internal A device that is not here is left out. */
export async function setRandomState(device: string, state: Tensor): Promise<void> {
  await binding().setRandomState(device, handleOf(state))
}
