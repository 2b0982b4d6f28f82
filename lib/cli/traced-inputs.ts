/** What a model was traced with: torch.jit.trace leaves shapes and dtypes of the example inputs in the file. */

import type { ZipFile } from 'yauzl'
import { type Pickled, PickledTensor, unpickled } from './unpickled.js'

const ENTRY = /^[^/]+\/traced_inputs\.pkl$/
const MOST_BYTES = 2 ** 16
const MOST_VALUES = 1000

/**
 * The example inputs of `forward` as `-i` takes them; undefined where the file has none, or some that have no text. Values are not in the
 * file, only their kinds.
 */
export async function tracedInputs(path: string): Promise<readonly string[] | undefined> {
  let zip: ZipFile | undefined
  try {
    const { openPromise } = await import('yauzl')
    zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true })
    for await (const entry of zip.eachEntry()) {
      if (!ENTRY.test(entry.fileName)) continue
      if (entry.uncompressedSize > MOST_BYTES) return undefined
      const parts: Buffer[] = []
      for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer)
      const methods = unpickled(Buffer.concat(parts))
      const inputs = methods instanceof Map ? methods.get('forward') : undefined
      return Array.isArray(inputs) && inputs.length > 0 ? textsOf(inputs) : undefined
    }
  } catch {
    // A hint, which may come from anywhere: what is not understood is as if it were not there.
  } finally {
    zip?.close()
  }
  return undefined
}

/** A list may hold another many times: what is told is counted, not what is in the file. */
function textsOf(inputs: readonly Pickled[]): string[] {
  let rest = MOST_VALUES
  const textOf = (value: Pickled): string => {
    if (rest-- === 0) throw new Error('it holds too much')
    if (value instanceof PickledTensor) {
      const shape = value.shape.join(',')
      return value.dtype === 'float32' && shape !== '' ? shape : `${value.dtype}:${shape}`
    }
    if (value === null) return 'none'
    if (typeof value === 'boolean') return String(value)
    if (typeof value === 'number') return `number:${value}`
    if (Array.isArray(value)) return `[${value.map(textOf).join('; ')}]`
    if (value instanceof Map) return `{${[...value].map(([name, each]) => `${name}=${textOf(each)}`).join('; ')}}`
    throw new Error('it has no text')
  }
  return inputs.map(textOf)
}
