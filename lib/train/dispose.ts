import { Tensor } from '../torch/index.js'

/** Disposes every tensor in these values, in arrays, plain objects and maps too. */
export function disposeAll(...values: unknown[]): void {
  for (const value of values) {
    if (value instanceof Tensor) value.dispose()
    else if (value instanceof Map) disposeAll(...value.values())
    else if (typeof value === 'object' && value !== null) disposeAll(...Object.values(value))
  }
}
