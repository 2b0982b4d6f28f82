import { createHash } from 'node:crypto'
import { type Description, describes } from '../../base/describe.js'
import { dictionary, either, list, maybe, signature } from '../../base/schema/index.js'
import { ARRAY_DATA, type ArrayData, checkArray, type Dataset, gather } from './dataset.js'
import { chosenOf, INDICES, rowsAt } from './indices.js'

/** @internal */
export const IN_MEMORY = signature(
  'inMemory',
  [
    'inputs',
    either(
      'an array { data, shape } with data in a typed array, or a list or an object with one for each input of the model',
      ARRAY_DATA,
      list(ARRAY_DATA, 'a list'),
      dictionary(ARRAY_DATA, 'an object'),
    ),
  ],
  ['targets', maybe(ARRAY_DATA)],
  ['indices', maybe(INDICES)],
)

/**
 * Examples held in memory.
 *
 * @param inputs one array `[n, ...]`, or one for each input of the model, by their names in `forward`, too: `{ ids, mask }`
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
  inputs: ArrayData | readonly ArrayData[] | Readonly<Record<string, ArrayData>>,
  targets?: ArrayData,
  indices?: ArrayLike<number>,
): Dataset {
  IN_MEMORY.check(inputs, targets, indices)
  const named = isArrayData(inputs) || isList(inputs) ? undefined : inputs
  const all = named !== undefined ? Object.values(named) : isArrayData(inputs) ? [inputs] : (inputs as ArrayData[])
  const arrays = targets === undefined ? all : [...all, targets]
  const examples = arrays.at(-1)?.shape[0] ?? 0
  for (const array of arrays) checkArray(array, examples)
  const chosen = chosenOf(indices, examples)
  const dataset: Dataset = {
    size: chosen.length,
    inputNames: named && Object.keys(named),
    batch(positions) {
      const rows = rowsAt(chosen, positions)
      return { inputs: all.map((array) => gather(array, rows)), targets: targets && gather(targets, rows) }
    },
  }
  return describes(dataset, () => ({
    name: 'inMemory',
    examples: contentOf(arrays, chosen),
    ...(named && { inputs: Object.keys(named) }),
  }))
}

type Inputs = Parameters<typeof inMemory>[0]

const isList = (inputs: Inputs): inputs is readonly ArrayData[] => Array.isArray(inputs)
const isArrayData = (inputs: Inputs): inputs is ArrayData => 'data' in inputs && ArrayBuffer.isView(inputs.data)

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
