import { EspalierError } from '../base/errors.js'
import { count, either, shown, text } from '../base/schema/index.js'
import { type ModuleOutput, Tensor } from '../torch/index.js'

/** Which part of a model's output counts: `'logits'` of a dict, `0` of a tuple, `'heads.1'` of one in the other. */
export type OutputPath = string | number

/** @internal */
export const OUTPUT_PATH = either<[string, number]>("a name or a number, such as 'logits' or 0", text(), count(0))

/** @throws ERR_INVALID_ARGUMENT, with the parts that there are */
export function partOf(output: ModuleOutput, path: OutputPath | undefined): ModuleOutput {
  if (path === undefined) return output
  let part = output
  for (const key of String(path).split('.')) {
    const members = membersOf(part)
    const found = members.get(key)
    if (found === undefined) {
      const known = members.size > 0 ? `it has ${[...members.keys()].join(', ')}` : `it is ${shown(part)}`
      throw new EspalierError('ERR_INVALID_ARGUMENT', `the model's output has no ${shown(path)}: ${known}`)
    }
    part = found
  }
  return part
}

function membersOf(value: ModuleOutput): Map<string, ModuleOutput> {
  if (value instanceof Tensor || typeof value !== 'object' || value === null) return new Map()
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  return new Map(entries.map(([key, member]) => [String(key), member]))
}

/** All floating-point tensors in it, with where they are. */
export function floatsOf(value: ModuleOutput, at = 'the output'): [place: string, tensor: Tensor][] {
  if (value instanceof Tensor) return value.dtype.includes('float') ? [[at, value]] : []
  return [...membersOf(value)].flatMap(([key, member]) => floatsOf(member, `${at}.${key}`))
}
