/** Example inputs of a model as text: by shape and dtype, plain values, lists, dicts. */

import { EspalierError } from '../base/errors.js'
import { volume } from '../base/numbers.js'
import { Random } from '../base/random.js'
import { shown } from '../base/schema/index.js'
import { type ModuleInput, Tensor } from '../torch/index.js'

const HINT = [
  '1,3,224,224 is a tensor of random floats, int64:1,16 one of token ids (zeros).',
  'number:0.5, true, false, none and text:abc are themselves.',
  '[1,3,8,8; 1,3,4,4] is a list, {ids=int64:1,16; mask=bool:1,16} a dict.',
  'mask=bool:1,16 is the input of that name; image.npy, bool:mask.npy and batch.npz (by name) are read from files.',
].join('\n')

const TENSOR = /^(?:(float32|float64|float16|bfloat16|int64|int32|int16|int8|uint8|bool):)?(\d+(?:[,x]\d+)*)?$/

/**
 * An example input: numbers from -1 to 1 of a fixed seed; of an integer dtype zeros, as they are indices of some table; of bool true.
 *
 * @throws ERR_INVALID_ARGUMENT
 */
export function inputOf(text: string): ModuleInput {
  const trimmed = text.trim()
  const [first, last] = [trimmed[0], trimmed.at(-1)]
  if (first === '[' && last === ']') return partsOf(trimmed).map(inputOf)
  if (first === '{' && last === '}') return Object.fromEntries(partsOf(trimmed).map(entryOf))
  const named = NAMED[trimmed]
  if (named !== undefined) return named()
  const [, kind = '', value = ''] = /^(number|text):(.*)$/s.exec(trimmed) ?? []
  if (kind === 'text') return value
  if (kind === 'number') {
    if (value !== '' && Number.isFinite(Number(value))) return Number(value)
    throw refused(text)
  }
  return tensorOf(trimmed)
}

const NAMED: Readonly<Record<string, () => ModuleInput>> = { true: () => true, false: () => false, none: () => null }

function tensorOf(text: string): Tensor {
  const match = TENSOR.exec(text)
  if (!match || (match[1] === undefined && match[2] === undefined)) throw refused(text)
  const dtype = (match[1] ?? 'float32') as 'float32'
  // Without sizes: a tensor of one number, without dimensions.
  const shape = match[2] === undefined ? [] : match[2].split(/[,x]/).map(Number)
  if ((dtype as string) === 'bool') return Tensor.full(shape, 1, { dtype })
  if (!dtype.includes('float')) return Tensor.zeros(shape, { dtype })
  const random = new Random(0)
  const values = Float64Array.from({ length: volume(shape) }, () => 2 * random.uniform() - 1)
  return Tensor.from(values, shape, { dtype })
}

/** What is between the brackets, at the outermost level. */
function partsOf(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 1
  for (let k = 1; k < text.length - 1; k++) {
    const letter = text[k] as string
    if ('[{'.includes(letter)) depth++
    if (']}'.includes(letter)) depth--
    if (depth < 0) throw refused(text)
    if (letter === ';' && depth === 0) {
      parts.push(text.slice(start, k))
      start = k + 1
    }
  }
  if (depth !== 0) throw refused(text)
  const last = text.slice(start, -1)
  return parts.length === 0 && last.trim() === '' ? [] : [...parts, last]
}

function entryOf(text: string): [string, ModuleInput] {
  const at = text.indexOf('=')
  if (at < 1) throw refused(text)
  return [text.slice(0, at).trim(), inputOf(text.slice(at + 1))]
}

const refused = (text: string) =>
  new EspalierError('ERR_INVALID_ARGUMENT', `${shown(text)} is no example input`, { hint: HINT })
