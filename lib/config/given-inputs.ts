/** Example inputs as a command is given them: in the order of `forward`, or by name, and out of files. */

import { EspalierError } from '../base/errors.js'
import { shown } from '../base/schema/index.js'
import { nearest } from '../base/schema/nearest.js'
import type { DType } from '../record/record.js'
import { Tensor } from '../torch/index.js'
import { type ArrayData, readNpy, readNpz, readSafetensors } from '../train/index.js'

/** `batch.npz`, or `bool:mask.npy`: a type and a file of arrays. */
const FILE =
  /^(?!text:)(?:(float32|float64|float16|bfloat16|int64|int32|int16|int8|uint8|bool):)?(.+\.(npy|npz|safetensors))$/i
const BY_NAME = /^([A-Za-z_]\w*)=(.*)$/s

/** The file that an example input is read from. */
export function inputFileOf(input: unknown): string | undefined {
  if (typeof input !== 'string') return undefined
  const [, , value = input] = BY_NAME.exec(input.trim()) ?? []
  return FILE.exec(value.trim())?.[2]
}

/**
 * The inputs in the order of `forward`: first those without a name, as in a call of Python. What is in files is read; the rest stays as it is.
 *
 * @param names of the inputs of `forward`
 * @throws ERR_INVALID_ARGUMENT for a name that is none, is given twice, or leaves a gap; ERR_READ
 */
export async function givenInputs(inputs: readonly unknown[], names: readonly string[]): Promise<unknown[]> {
  const parts: (readonly [name: string | undefined, value: unknown])[] = []
  for (const input of inputs) parts.push(...(await partsOf(input)))
  const first = parts.findIndex(([name]) => name !== undefined)
  if (first < 0) return parts.map(([, value]) => value)
  const ordered = parts.slice(0, first).map(([, value]) => value)
  for (const [name, value] of parts.slice(first)) {
    if (name === undefined) {
      const hint = 'First those without a name, then those with one.'
      throw refused('an input without a name stands behind one that has a name', hint)
    }
    const at = names.indexOf(name)
    if (at < 0) throw unknown(name, names)
    if (at in ordered) throw refused(`the input '${name}' is given twice`, 'Say each input once.')
    ordered[at] = value
  }
  for (let k = 0; k < ordered.length; k++) {
    if (!(k in ordered)) throw refused(`the input '${names[k]}' is missing`, `Say it, too: -i ${names[k]}=1,16`)
  }
  return ordered
}

async function partsOf(input: unknown): Promise<(readonly [name: string | undefined, value: unknown])[]> {
  if (typeof input !== 'string') return [[undefined, input]]
  const [, name, value = input] = BY_NAME.exec(input.trim()) ?? []
  const [, type, path = '', kind = ''] = FILE.exec(value.trim()) ?? []
  if (kind === '') return [[name, value]]
  const dtype = type?.toLowerCase() as DType | undefined
  const tensor = ({ data, shape }: ArrayData) => Tensor.from(data, shape, { dtype })
  if (kind.toLowerCase() === 'npy') return [[name, tensor(await readNpy(path))]]
  if (name !== undefined) {
    throw refused(`${shown(path)} holds arrays by name, and '${name}' is one input`, `Leave the name out: -i ${path}`)
  }
  const arrays = await (kind.toLowerCase() === 'npz' ? readNpz : readSafetensors)(path)
  return Object.entries(arrays).map(([own, array]) => [own, tensor(array)])
}

function unknown(name: string, names: readonly string[]): EspalierError {
  const meant = nearest(name, names)
  const hint = meant === undefined ? `Its inputs are ${names.join(', ')}.` : `Did you mean '${meant}'?`
  return refused(`the model has no input '${name}'`, hint)
}

const refused = (words: string, hint: string) => new EspalierError('ERR_INVALID_ARGUMENT', words, { hint })
