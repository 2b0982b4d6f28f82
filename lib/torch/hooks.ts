import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import type { HookHandle, NativeForwardHook, NativeGradientHook, NativeInput } from '../libtorch/binding.js'
import { binding } from '../libtorch/index.js'
import type { ModuleInput, ModuleOutput } from './module-calls.js'
import { scope } from './scope.js'
import { type Tensor, wrapTensor } from './tensor.js'
import { lift, lower } from './values.js'

/**
 * Reads a gradient, and may give another of the same shape, dtype and device in its place. Synchronous.
 *
 * @param place of a hook on a module: number of the tensor in the module's output; else 0
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks returns nothing
export type GradientHook = (gradient: Tensor, place: number) => Tensor | undefined | void

/** Reads what a module gives, and may give another value of the same type in its place. Synchronous. */
// biome-ignore lint/suspicious/noConfusingVoidType: a hook that only looks returns nothing
export type ForwardHook = (output: ModuleOutput, inputs: readonly ModuleOutput[]) => ModuleInput | undefined | void

/** A hook that is in place until it is removed. */
export interface HookRegistration {
  /** The hook isn't called any more. May be called again. */
  remove(): void
}

/** What is no function is refused when it is registered, not when it would be called. */
function checked(hook: unknown): void {
  if (typeof hook === 'function') return
  throw new EspalierError('ERR_INVALID_ARGUMENT', `'hook' must be a function, not ${shown(hook)}`)
}

/** @internal */
export const registration = (handle: HookHandle): HookRegistration => ({
  remove: () => binding().hookRemove(handle),
})

// A tensor of the enclosing scope would be gone when the hook is called: a hook has a scope of its own.

/** @internal */
export function gradientHook(hook: GradientHook): NativeGradientHook {
  checked(hook)
  return (gradient, place) =>
    replacement(scope(() => hook(wrapTensor(gradient), place))) as ReturnType<NativeGradientHook>
}

/** @internal */
export function forwardHook(hook: ForwardHook): NativeForwardHook {
  checked(hook)
  return (output, inputs) => replacement(scope(() => hook(lift(output), inputs.map(lift))))
}

const replacement = (result: unknown): NativeInput | undefined => (result === undefined ? undefined : lower(result))
