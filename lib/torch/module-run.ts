/** What is run of a module, by its handle, and what it is written to: the calls behind the methods of ScriptModule. */
import { resolve } from 'node:path'
import type { ModuleHandle } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import { type RunOptions, withSignal } from './abort.js'
import { contentsOf, type ModuleInput, type ModuleOutput, type SaveOptions } from './module-calls.js'
import { lift, lower } from './values.js'

/** @param method none for `forward`, whose hooks are called */
export async function runMethod(
  module: ModuleHandle,
  method: string | undefined,
  inputs: readonly ModuleInput[],
  options: RunOptions,
): Promise<ModuleOutput> {
  const output = await withSignal({ ...options, grad: options.grad ?? binding().moduleTraining(module) }, (job) =>
    method === undefined
      ? binding().moduleForward(module, inputs.map(lower), job)
      : binding().moduleCall(module, method, inputs.map(lower), job),
  )
  return lift(output)
}

export async function saveTo(module: ModuleHandle, path: string, options: SaveOptions): Promise<void> {
  const files = contentsOf(options.extraFiles)
  await withSignal(options, (job) => binding().moduleSave(module, resolve(path), files, job))
}

export async function bytesOf(module: ModuleHandle, options: SaveOptions): Promise<Uint8Array> {
  const files = contentsOf(options.extraFiles)
  return withSignal(options, (job) => binding().moduleBytes(module, files, job))
}
