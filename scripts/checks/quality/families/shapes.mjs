// Segmentation: circles, squares and triangles of random size, place and brightness, in noise.

import { inMemory, Random } from 'espalier'
import { Network } from '../../../../examples/network.mjs'

const SIZE = 16

/** Convolutions with group norm, one level down and up, and what was there before beside it. @param {number} seed */
export function unet(seed) {
  const net = new Network(seed)
  /** @param {string} x @param {string} name @param {number} out @param {number} inputs */
  const unit = (x, name, out, inputs) =>
    `torch.relu(torch.group_norm(${net.conv(x, name, out, inputs, 3)}, 4, ${net.scale(`${name}_norm`, out)}))`
  net.add(`x = ${unit('x', 'in1', 12, 1)}`)
  net.add(`x = ${unit('x', 'in2', 12, 12)}`)
  net.add(`y = ${unit('torch.max_pool2d(x, [2, 2])', 'deep1', 24, 12)}`)
  net.add(`y = ${unit('y', 'deep2', 24, 24)}`)
  net.add('y = torch.upsample_nearest2d(y, None, [2.0, 2.0])')
  net.add(`x = ${unit('torch.cat([x, y], 1)', 'out1', 12, 36)}`)
  return net.model(net.conv('x', 'head', 4, 12, 1))
}

/** @param {number} examples @param {number} seed */
function drawn(examples, seed) {
  const random = new Random(seed, 7)
  const pixels = new Float32Array(examples * SIZE * SIZE)
  const classes = new BigInt64Array(pixels.length)
  for (let n = 0; n < examples; n++) {
    for (let k = 0; k < SIZE * SIZE; k++) pixels[n * SIZE * SIZE + k] = 0.5 * (random.uniform() - 0.5)
    for (let shape = 0; shape < 2; shape++) {
      const kind = 1 + random.integer(0, 2)
      const radius = 2 + 2.5 * random.uniform()
      const [row, column] = [random, random].map((each) => radius + (SIZE - 1 - 2 * radius) * each.uniform())
      const light = 0.5 + 0.5 * random.uniform()
      for (let k = 0; k < SIZE * SIZE; k++) {
        const [down, right] = [Math.floor(k / SIZE) - Number(row), (k % SIZE) - Number(column)]
        if (!isInside(kind, down, right, radius)) continue
        pixels[n * SIZE * SIZE + k] = light + 0.5 * (random.uniform() - 0.5)
        classes[n * SIZE * SIZE + k] = BigInt(kind)
      }
    }
  }
  return inMemory({ data: pixels, shape: [examples, 1, SIZE, SIZE] }, { data: classes, shape: [examples, SIZE, SIZE] })
}

/** Circle, square, triangle. @param {number} kind @param {number} down @param {number} right @param {number} radius */
function isInside(kind, down, right, radius) {
  if (kind === 1) return down * down + right * right <= radius * radius
  const inBox = Math.abs(down) <= radius && Math.abs(right) <= radius
  return kind === 2 ? inBox : inBox && Math.abs(right) <= (down + radius) / 2
}

export const shapes = () => ({
  ...{ train: drawn(600, 1), selection: drawn(100, 2), test: drawn(300, 3) },
  shape: [1, 1, SIZE, SIZE],
})
