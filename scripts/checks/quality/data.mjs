// The data sets of `npm run bench:regularizers`: what is trained on, what methods may look at (10 % of the training split), and
// the test split, which is only reported.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { inMemory, Random } from 'espalier'

/**
 * @typedef {{ train: import('espalier').Dataset, selection: import('espalier').Dataset,
 *   test: import('espalier').Dataset, shape: number[], background: number }} Data
 */

const examples = new URL('../../../examples/data/', import.meta.url)
/** @param {string} name */
const example = (name) => readFileSync(new URL(name, examples))

/** @type {Record<string, () => Data>} */
export const DATASETS = { digits, mnist }

/** 1,797 digits of 8x8 pixels, 1,078 to train; -1 is the background. */
function digits() {
  const { shape, train, test } = JSON.parse(example('digits.json').toString())
  const x = { data: Float32Array.from(example('digits_x_u8.bin'), (v) => v / 8 - 1), shape }
  const y = { data: BigInt64Array.from([...example('digits_y_u8.bin')], BigInt), shape: [shape[0]] }
  return split(x, y, train, test)
}

/** 10,000 digits of 28x28 pixels, 8,000 to train, averaged to 14x14 so that all runs fit into an hour. */
function mnist() {
  const { resolve } = createRequire(import.meta.url)
  const images = []
  const classes = []
  for (let digit = 0; digit < 10; digit++) {
    const { data } = JSON.parse(readFileSync(resolve(`mnist/src/digits/${digit}.json`), 'utf8'))
    for (let start = 0; start + 784 <= data.length; start += 784) {
      images.push(halved(data.slice(start, start + 784)))
      classes.push(digit)
    }
  }
  const order = new Random(0).shuffle(Int32Array.from(images, (_, k) => k))
  const x = { data: Float32Array.from(images.flat()), shape: [images.length, 1, 14, 14] }
  const y = { data: BigInt64Array.from(classes, BigInt), shape: [images.length] }
  const trained = Math.floor(0.8 * images.length)
  return split(x, y, [...order.subarray(0, trained)], [...order.subarray(trained)])
}

/** 28x28 in 0..1 to 14x14 in -1..1. @param {number[]} pixels */
function halved(pixels) {
  /** @param {number} row @param {number} column */
  const at = (row, column) => /** @type {number} */ (pixels[28 * row + column])
  return Array.from({ length: 196 }, (_, k) => {
    const [row, column] = [2 * Math.floor(k / 14), 2 * (k % 14)]
    return (at(row, column) + at(row, column + 1) + at(row + 1, column) + at(row + 1, column + 1)) / 2 - 1
  })
}

/**
 * @param {import('espalier/analysis').ArrayData} x @param {import('espalier/analysis').ArrayData} y
 * @param {number[]} train @param {number[]} test
 * @returns {Data}
 */
function split(x, y, train, test) {
  return {
    train: inMemory(
      x,
      y,
      train.filter((_, k) => k % 10 !== 0),
    ),
    selection: inMemory(
      x,
      y,
      train.filter((_, k) => k % 10 === 0),
    ),
    test: inMemory(x, y, test),
    shape: [1, ...x.shape.slice(1)],
    background: -1,
  }
}
