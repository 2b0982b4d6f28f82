import { AsyncLocalStorage } from 'node:async_hooks'
import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { Tensor } from './tensor.js'

interface Scope {
  readonly tensors: Set<Tensor>
  readonly parent: Scope | undefined
  closed: boolean
}

// Follows asynchronous calls, so that two scopes that run at the same time keep apart.
const current = new AsyncLocalStorage<Scope>()

/**
 * Runs `fn` and disposes of every tensor that was created in it (by `fn` itself or by what it awaits), except those
 * that it returns, also inside arrays, plain objects, Maps and Sets, and those given to {@link keep}. Returned tensors
 * belong to the enclosing scope, if any. When `fn` throws, all are disposed of.
 *
 * @returns what `fn` returns
 * @throws EspalierError ERR_INVALID_ARGUMENT when `fn` is no function; what `fn` throws
 * @example
 * ```ts
 * import { scope, Tensor } from 'espalier'
 *
 * const numbers = scope(() => Tensor.from([1, 2, 3], [3]).mul(2).add(1).data())
 * console.log(numbers) // Float32Array(3) [ 3, 5, 7 ]
 * ```
 */
export function scope<T>(fn: () => Promise<T>): Promise<T>
export function scope<T>(fn: () => T): T
export function scope<T>(fn: () => T | Promise<T>): T | Promise<T> {
  if (typeof fn !== 'function') {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `scope: 'fn' must be a function, not ${shown(fn)}`)
  }
  const own: Scope = { tensors: new Set(), parent: current.getStore(), closed: false }
  let result: T | Promise<T>
  try {
    result = current.run(own, fn)
  } catch (error) {
    close(own, undefined)
    throw error
  }
  if (!(result instanceof Promise)) {
    close(own, result)
    return result
  }
  return result.then(
    (value) => {
      close(own, value)
      return value
    },
    (error: unknown) => {
      close(own, undefined)
      throw error
    },
  )
}

/**
 * Takes a tensor out of its scope: it lives until it is disposed of or garbage collected. Returns it.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for anything but a Tensor
 * @example
 * ```ts
 * import { keep, scope, Tensor } from 'espalier'
 *
 * const kept: Tensor[] = []
 * scope(() => {
 *   kept.push(keep(Tensor.zeros([2])))
 * })
 * console.log(kept) // [ Tensor([2], float32, cpu) ]
 * ```
 */
export function keep<T extends Tensor>(tensor: T): T {
  if (!(tensor instanceof Tensor)) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `keep: 'tensor' must be a Tensor, not ${shown(tensor)}`)
  }
  for (let scope = current.getStore(); scope !== undefined; scope = scope.parent) scope.tensors.delete(tensor)
  return tensor
}

/** @internal A new tensor joins the scope in which it was created. */
export function track(tensor: Tensor): void {
  const scope = current.getStore()
  if (scope !== undefined && !scope.closed) scope.tensors.add(tensor)
}

/** @internal A disposed tensor need not be remembered. */
export function untrack(tensor: Tensor): void {
  current.getStore()?.tensors.delete(tensor)
}

function close(scope: Scope, result: unknown): void {
  scope.closed = true
  const parent = scope.parent?.closed ? undefined : scope.parent
  release(result, scope.tensors, parent?.tensors, new Set())
  for (const tensor of scope.tensors) tensor.dispose()
  scope.tensors.clear()
}

/** Moves the tensors found in `value` from one set to the other. */
function release(value: unknown, from: Set<Tensor>, to: Set<Tensor> | undefined, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  if (from.delete(value as Tensor)) {
    to?.add(value as Tensor)
    return
  }
  for (const item of items(value)) release(item, from, to, seen)
}

function items(value: object): Iterable<unknown> {
  if (Array.isArray(value) || value instanceof Set) return value
  if (value instanceof Map) return [...value.keys(), ...value.values()]
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null ? Object.values(value) : []
}
