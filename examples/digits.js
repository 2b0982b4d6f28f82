// The example data: 1,797 handwritten digits of 8x8 pixels in 10 classes, and models that were trained on them.

import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { inMemory } from 'espalier'

/** Beside this file, or, for a file that was compiled or copied, in the package. */
const folder = [new URL('data/', import.meta.url), new URL('../../examples/data/', import.meta.url)].find((url) =>
  existsSync(new URL('digits.json', url)),
)

/**
 * Path of an example file.
 * @param {string} name
 */
export const dataFile = (name) => fileURLToPath(new URL(name, folder))

/** All of them, as bytes 0 to 16, their classes, and the numbers of those to train on and to validate. */
export function digitBytes() {
  /** @type {{ shape: number[], train: number[], test: number[] }} */
  const { shape, train, test } = JSON.parse(readFileSync(dataFile('digits.json'), 'utf8'))
  return {
    shape,
    train,
    test,
    x: readFileSync(dataFile('digits_x_u8.bin')),
    y: readFileSync(dataFile('digits_y_u8.bin')),
  }
}

/**
 * The split of the digits; pixels in -1..1, where -1 is the background.
 * @returns {{ train: import('espalier').Dataset, validation: import('espalier').Dataset }}
 */
export function digits() {
  const { shape, train, test, x, y } = digitBytes()
  const images = { data: Float32Array.from(x, (v) => v / 8 - 1), shape }
  const classes = { data: BigInt64Array.from([...y], BigInt), shape: [y.length] }
  return { train: inMemory(images, classes, train), validation: inMemory(images, classes, test) }
}
