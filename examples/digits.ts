/** The example data: 1,797 handwritten digits of 8x8 pixels in 10 classes, and a ResNet-8 trained on them. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Dataset, inMemory } from 'espalier'

const folder = ['data/', '../../examples/data/']
  .map((path) => new URL(path, import.meta.url))
  .find((url) => existsSync(new URL('digits.json', url)))

/** Path of an example file. */
export const dataFile = (name: string): string => fileURLToPath(new URL(name, folder))

/** The split of the digits; pixels in -1..1, where -1 is the background. */
export function digits(): { train: Dataset; validation: Dataset } {
  const { shape, train, test } = JSON.parse(readFileSync(dataFile('digits.json'), 'utf8'))
  const x = { data: Float32Array.from(readFileSync(dataFile('digits_x_u8.bin')), (v) => v / 8 - 1), shape }
  const y = { data: BigInt64Array.from([...readFileSync(dataFile('digits_y_u8.bin'))], BigInt), shape: [shape[0]] }
  return { train: inMemory(x, y, train), validation: inMemory(x, y, test) }
}
