// Lines of text and what they are, as arrays for a model with two inputs: the bytes of each line, and which of them are of the line.

import { Random } from 'espalier'
import { textsOf } from './corpus.mjs'

export const KINDS = ['prose', 'types', 'code']
export const LENGTH = 48

/** As many lines of each kind, in no order. @param {number} each */
export function lines(each) {
  const random = new Random(1)
  const texts = [textsOf('docs', '.md'), textsOf('dist', '.d.ts'), textsOf('dist', '.js')]
  const found = texts.flatMap((files, kind) => {
    const all = new Set(files.flatMap((file) => file.split('\n')).filter((line) => line.trim().length > 11))
    return random.shuffle([...all].map((line) => ({ line, kind }))).slice(0, each)
  })
  const shape = [found.length, LENGTH]
  const ids = { data: new BigInt64Array(found.length * LENGTH), shape }
  const mask = { data: new Float32Array(found.length * LENGTH), shape }
  for (const [row, { line }] of found.entries()) {
    for (const [k, byte] of [...Buffer.from(line).subarray(0, LENGTH)].entries()) {
      ids.data[row * LENGTH + k] = BigInt(byte)
      mask.data[row * LENGTH + k] = 1
    }
  }
  return { ids, mask, kinds: { data: BigInt64Array.from(found, ({ kind }) => BigInt(kind)), shape: [found.length] } }
}
