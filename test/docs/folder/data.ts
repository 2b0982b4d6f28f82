/** What the examples of lib/ take for the reader's own data: images [64, 3, 8, 8], each of 5 classes with a brightness of its own. */
import { inMemory, Random } from 'espalier'

const random = new Random(1)
const classes = Array.from({ length: 64 }, (_, i) => i % 5)
const pixels = classes.flatMap((c) => Array.from({ length: 3 * 8 * 8 }, () => c / 2 - 1 + 0.1 * random.uniform()))
const images = { data: Float32Array.from(pixels), shape: [64, 3, 8, 8] }
const labels = { data: BigInt64Array.from(classes, BigInt), shape: [64] }
const indices = Array.from({ length: 64 }, (_, i) => i)

export const data = {
  train: inMemory(images, labels, indices.slice(0, 48)),
  validation: inMemory(images, labels, indices.slice(48)),
}
