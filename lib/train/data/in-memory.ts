import { createHash } from 'node:crypto'
import { type Description, describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { either, list, maybe, signature, thing } from '../../base/schema/index.js'
import { ARRAY_DATA, type ArrayData, checkArray, type Dataset, gather } from './dataset.js'

/** @internal */
export const IN_MEMORY = signature(
  'inMemory',
  [
    'inputs',
    either(
      'an array { data, shape } with data in a typed array, or a list with one for each input of the model',
      ARRAY_DATA,
      list(ARRAY_DATA, 'a list'),
    ),
  ],
  ['targets', maybe(ARRAY_DATA)],
  [
    'indices',
    maybe(
      thing<ArrayLike<number>>('an array of numbers of examples', (value) => {
        return (Array.isArray(value) || ArrayBuffer.isView(value)) && Array.from(value as never).every(Number.isInteger)
      }),
    ),
  ],
)

/**
 * Examples held in memory.
 *
 * @param inputs one array `[n, ...]`, or one for each input of the model
 * @param targets `[n, ...]`: class indices as `BigInt64Array` for cross entropy, or values; none by default
 * @param indices which examples to use, in this order, each in 0..n - 1; all by default
 * @throws EspalierError ERR_INVALID_ARGUMENT when lengths and shapes don't fit, or an index is out of range
 * @example
 * ```ts
 * import { inMemory } from 'espalier'
 *
 * const images = { data: new Float32Array(100 * 3 * 8 * 8), shape: [100, 3, 8, 8] }
 * const classes = { data: new BigInt64Array(100), shape: [100] }
 * const train = inMemory(images, classes)
 * const first = inMemory(images, classes, [0, 1, 2])
 * console.log(train.size, first.size) // 100 3
 * ```
 */
export function inMemory(
  inputs: ArrayData | readonly ArrayData[],
  targets?: ArrayData,
  indices?: ArrayLike<number>,
): Dataset {
  IN_MEMORY.check(inputs, targets, indices)
  const all: readonly ArrayData[] = 'data' in inputs ? [inputs] : inputs
  const arrays = targets === undefined ? all : [...all, targets]
  const examples = arrays.at(-1)?.shape[0] ?? 0
  for (const array of arrays) checkArray(array, examples)
  const chosen = Int32Array.from(indices ?? { length: examples }, indices === undefined ? (_, i) => i : Number)
  if (chosen.some((index) => !(index >= 0 && index < examples))) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `an index is outside of the ${examples} examples`)
  }
  const dataset: Dataset = {
    size: chosen.length,
    batch(positions) {
      const wrong = [...positions].find((position) => !(chosen[position] !== undefined))
      if (wrong !== undefined) {
        throw new EspalierError('ERR_INVALID_ARGUMENT', `there is no example ${wrong}, only 0 to ${chosen.length - 1}`)
      }
      const rows = Int32Array.from(positions, (position) => chosen[position]!)
      return { inputs: all.map((array) => gather(array, rows)), targets: targets && gather(targets, rows) }
    },
  }
  return describes(dataset, () => ({ name: 'inMemory', examples: contentOf(arrays, chosen) }))
}

/** A hash of these rows of arrays: their types, shapes and elements. */
function contentOf(arrays: readonly ArrayData[], rows: Int32Array): Description {
  const hash = createHash('sha256')
  for (const { data, shape } of arrays) {
    const { name, BYTES_PER_ELEMENT } = data.constructor as unknown as { name: string; BYTES_PER_ELEMENT: number }
    const length = (data.length / shape[0]!) * BYTES_PER_ELEMENT
    hash.update(`${name} ${shape.slice(1).join()};`)
    for (const row of rows) hash.update(new Uint8Array(data.buffer, data.byteOffset + row * length, length))
  }
  return hash.digest('hex').slice(0, 16)
}
