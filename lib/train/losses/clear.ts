import { EspalierError } from '../../base/errors.js'
import { type ModuleOutput, Tensor } from '../../torch/index.js'
import { classAxisOf } from '../classes.js'
import { crossEntropy } from './cross-entropy.js'
import { mse } from './elementwise.js'
import type { KnownLoss } from './loss.js'

/** Losses that shapes and types leave no doubt about, by the name of their option. */
const CLEAR = { 'cross-entropy': crossEntropy(), mse: mse() } as const
export type ClearLoss = keyof typeof CLEAR

/** What an output and its targets ask for by themselves; undefined where it is not clear. */
export function clearName(output: ModuleOutput, targets: Tensor | undefined): ClearLoss | undefined {
  if (!(output instanceof Tensor) || targets === undefined || !output.dtype.includes('float')) return undefined
  if (targets.dtype === 'int64') return classAxisOf(output, targets) === undefined ? undefined : 'cross-entropy'
  const alike = output.shape.join() === targets.shape.join()
  return alike && targets.dtype.includes('float') ? 'mse' : undefined
}

export function clearLoss(output: ModuleOutput, targets: Tensor | undefined): KnownLoss | undefined {
  const name = clearName(output, targets)
  return name && CLEAR[name]
}

/** For options that name no loss, where none is clear. */
export function unclear(targets: Tensor | undefined): EspalierError {
  const words =
    targets === undefined
      ? 'the data has no targets, and there is no teacher'
      : `the output and the targets (${targets.dtype} [${targets.shape.join(', ')}]) don't tell what to train for`
  return new EspalierError('ERR_INVALID_ARGUMENT', words, {
    hint: "Pass a loss, such as loss: 'cross-entropy', or a teacher.",
  })
}
