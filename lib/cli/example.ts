/** Example inputs of a model, as the command line has them: by shape and dtype. */

import { Option } from 'commander'
import { EspalierError } from '../base/errors.js'
import { volume } from '../base/numbers.js'
import { Random } from '../base/random.js'
import { Tensor } from '../torch/index.js'

/** Of an option that may be given again and again. */
export const collected = (value: string, before: string[]): string[] => [...before, value]

/** `-i`, once for each input; {@link exampleOf} makes tensors of what it collects. */
export const inputOption = (): Option =>
  new Option('-i, --input <shape>', 'shape of an example input, 1,3,224,224 or int64:1,16; once for each input')
    .argParser(collected)
    .default([], 'none')

/** Numbers from a fixed seed; of an integer dtype, zeros: they are indices of some table. */
export function exampleOf(text: string): Tensor {
  const match = /^(?:(float32|float64|int64|int32|bool):)?(\d+(?:[,x]\d+)*)$/.exec(text)
  if (!match) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `--input: '${text}' is no shape`, {
      hint: 'Write 1,3,224,224 for floats, int64:1,16 for token ids.',
    })
  }
  const dtype = (match[1] ?? 'float32') as 'float32'
  const shape = (match[2] as string).split(/[,x]/).map(Number)
  if (!dtype.startsWith('float')) return Tensor.zeros(shape, { dtype })
  const random = new Random(0)
  const size = volume(shape)
  return Tensor.from(
    Float64Array.from({ length: size }, () => 2 * random.uniform() - 1),
    shape,
    { dtype },
  )
}
