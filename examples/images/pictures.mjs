// Writes the digits as PNG files: photos/train/3/17.png is one that shows a 3. photos/validation/ has others, to measure on.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { digitBytes } from '../digits.js'

/** @param {string} folder */
export async function writePictures(folder) {
  const { x, y, train, test } = digitBytes()
  const side = 8
  const sets = /** @type {const} */ ([
    ['train', train],
    ['validation', test],
  ])
  for (const [name, numbers] of sets) {
    for (const k of numbers) {
      const place = join(folder, name, String(y[k]))
      mkdirSync(place, { recursive: true })
      // 0 to 16 become 0 to 255.
      const pixels = x.subarray(k * side * side, (k + 1) * side * side).map((value) => Math.round((255 * value) / 16))
      const raw = /** @type {const} */ ({ width: side, height: side, channels: 1 })
      await sharp(pixels, { raw }).toFile(join(place, `${k}.png`))
    }
  }
}
