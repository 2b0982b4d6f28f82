import { createHash } from 'node:crypto'
import { type Description, describes } from '../../../base/describe.js'
import { EspalierError } from '../../../base/errors.js'
import { withFile } from '../../../base/files.js'
import { count, maybe, object, oneOf, path, signature } from '../../../base/schema/index.js'
import type { Dataset } from '../dataset.js'
import { mustBeThere } from '../indices.js'
import { type Source, withSource } from './source.js'
import { unreadable } from './unreadable.js'

/** Options of {@link tokenFile}. */
export interface TokenFileOptions {
  /** Tokens in an example, 1 or more; 128 by default. */
  length?: number | undefined
  /** Tokens from the start of an example to that of the next, 1 or more; `length` by default: each token is then a target once. */
  step?: number | undefined
  /** What a token is in the file, little-endian; `'uint8'` by default, the bytes of a text. */
  type?: keyof typeof TOKEN_TYPES | undefined
}

/** Numbers of examples are int32. */
const MOST_EXAMPLES = 2 ** 31 - 1

const TOKEN_TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array } as const

/** @internal */
export const TOKEN_FILE = signature(
  'tokenFile',
  ['path', path],
  [
    'options',
    object<TokenFileOptions>({
      length: maybe(count()),
      step: maybe(count()),
      type: maybe(oneOf('uint8', 'uint16', 'uint32')),
    }),
  ],
)

/**
 * A file of tokens for a language model: the bytes of a text, or ids that a tokenizer wrote as integers (`uint16` or `uint32`, without a
 * header). An example is a window of the file, and its targets are the tokens one further: a batch is two `BigInt64Array` `[n, length]`. What is
 * left at the end, shorter than a window, is left out. Windows are read when they are needed: the file may be larger than the memory.
 *
 * @throws EspalierError ERR_READ for a file that can't be read, has not one window, or not a whole number of tokens; ERR_LIMIT for one of more
 *   than 2^31 - 1 windows
 * @example
 * ```ts
 * import { split, tokenFile } from 'espalier'
 *
 * const text = await tokenFile('text.txt', { length: 16 })
 * const { inputs, targets } = await text.batch(Int32Array.of(0))
 * console.log(inputs[0]!.shape, targets!.shape) // [ 1, 16 ] [ 1, 16 ]
 * console.log(targets!.data[0] === inputs[0]!.data[1]) // true
 * const { train, validation } = split(text, { validation: 0.2 })
 * console.log(train.size, validation.size) // 12 3
 * ```
 */
export async function tokenFile(path: string, options: TokenFileOptions = {}): Promise<Dataset> {
  TOKEN_FILE.check(path, options)
  const { length = 128, step = length, type = 'uint8' } = options
  const Tokens = TOKEN_TYPES[type]
  const bytes = Tokens.BYTES_PER_ELEMENT
  const { size, ends } = await withSource(path, async (source) => ({ size: source.size, ends: await endsOf(source) }))
  if (size % bytes !== 0) throw unreadable(path, `${size} bytes are no whole number of ${type}`)
  const tokens = size / bytes
  const examples = Math.floor((tokens - length - 1) / step) + 1
  if (examples < 1) {
    throw unreadable(
      path,
      `${tokens} tokens are not one window of ${length} and the token behind it`,
      "Give another 'length'.",
    )
  }
  if (examples > MOST_EXAMPLES) {
    throw new EspalierError('ERR_LIMIT', `${path}: ${examples} windows are more than ${MOST_EXAMPLES}`, {
      hint: "Take fewer: a larger 'step' or 'length'.",
    })
  }
  const dataset: Dataset = {
    size: examples,
    async batch(indices) {
      mustBeThere(indices, examples)
      const rows = Int32Array.from(indices)
      const shape = [rows.length, length]
      const [inputs, targets] = [new BigInt64Array(rows.length * length), new BigInt64Array(rows.length * length)]
      await withFile(path, async (file) => {
        const window = new Tokens(length + 1)
        for (const [k, row] of rows.entries()) {
          const { bytesRead } = await file.read(window, 0, window.byteLength, row * step * bytes)
          if (bytesRead < window.byteLength) throw unreadable(path, 'it became shorter while it was read')
          for (let t = 0; t < length; t++) {
            inputs[k * length + t] = BigInt(window[t]!)
            targets[k * length + t] = BigInt(window[t + 1]!)
          }
        }
      })
      return { inputs: [{ data: inputs, shape }], targets: { data: targets, shape } }
    },
  }
  return describes(dataset, () => ({ name: 'tokenFile', size, ends, type, length, step }))
}

/** Of each end of the file. */
const END = 2 ** 20

/** A hash of both ends of a file: all of it could take minutes. */
async function endsOf(source: Source): Promise<Description> {
  const hash = createHash('sha256')
  const length = Math.min(END, source.size)
  for (const from of [0, source.size - length]) hash.update(new Uint8Array(await source.read(from, length)))
  return hash.digest('hex').slice(0, 16)
}
