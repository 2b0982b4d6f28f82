import { setImmediate } from 'node:timers/promises'
import { EspalierError } from '../../base/errors.js'
import { shown } from '../../base/schema/index.js'
import { nearest } from '../../base/schema/nearest.js'
import type { ArrayData, Batch, Dataset } from './dataset.js'
import { StreamReader } from './stream.js'

/** The batches of a pass, one after the other. */
export interface BatchSource {
  /** The batch of this number, of `examples` examples. They are asked for in their order. */
  get(k: number, examples: number): Promise<Batch> | Batch
  close(): void
}

/** @param order of the examples; of a stream it is the stream's own */
export function sourceOf(
  dataset: Dataset,
  order: Int32Array,
  batchSize: number,
  draw: number | undefined,
  first: number,
): BatchSource {
  if (dataset.stream === undefined) {
    return {
      get: (k) => dataset.batch(order.subarray(k * batchSize, (k + 1) * batchSize), draw),
      close: () => {},
    }
  }
  const reader = new StreamReader(dataset.stream(draw), dataset.size)
  return {
    async get(k, examples) {
      if (k === first) await reader.skip(first * batchSize)
      return await reader.take(examples)
    },
    close: () => reader.close(),
  }
}

/**
 * Begins work that is wanted later. It starts when what is to be done now was started: what a dataset does on this thread is then done
 * while the model runs on another. What it throws is thrown where the result is waited for.
 */
export function begun<T>(work: () => T | Promise<T>): Promise<T> {
  const result = setImmediate().then(work)
  result.catch(() => undefined)
  return result
}

/**
 * Puts inputs with names into the order of the model's.
 *
 * @param names of the arrays
 * @param wanted names of the model's inputs
 * @returns the place of each input of the model among the arrays
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function placesOf(names: readonly string[], wanted: readonly string[]): number[] {
  const twice = names.find((name, k) => names.indexOf(name) !== k)
  if (twice !== undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `the data have two inputs of the name ${shown(twice)}`)
  }
  const stray = names.find((name) => !wanted.includes(name))
  if (stray !== undefined) {
    const meant = nearest(stray, wanted)
    const words = meant === undefined ? `it takes ${wanted.map(shown).join(', ')}` : `did you mean '${meant}'?`
    throw new EspalierError('ERR_INVALID_ARGUMENT', `the model has no input ${shown(stray)}: ${words}`)
  }
  // Those behind the last one may have a default.
  const places = wanted.map((name) => names.indexOf(name))
  const end = places.findLastIndex((place) => place >= 0) + 1
  const missing = wanted.find((_, k) => k < end && places[k] === -1)
  if (missing !== undefined) {
    const words = `the data have no input ${shown(missing)}, only ${names.map(shown).join(', ')}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  return places.slice(0, end)
}

export const inOrder = (inputs: readonly ArrayData[], places: readonly number[]): ArrayData[] =>
  places.map((place) => inputs[place] as ArrayData)
