import { describes } from '../../base/describe.js'
import { EspalierError } from '../../base/errors.js'
import { count, maybe, number, object, signature } from '../../base/schema/index.js'
import type { Augment } from './dataset.js'

/** Options of {@link randomShift}. */
export interface RandomShiftOptions {
  /** 1 or more; 1 by default. */
  pixels?: number | undefined
  /** Value of the pixels that come in; 0 by default. */
  fill?: number | undefined
}

/** @internal */
export const RANDOM_SHIFT = signature('randomShift', [
  'options',
  object<RandomShiftOptions>({ pixels: maybe(count()), fill: maybe(number()) }),
])

/**
 * Moves every image `[n, channels, height, width]` of the first input by up to `pixels` in each direction, each example by
 * its own random offset; what comes in from outside is `fill`.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT for an option out of its range; its function, for inputs of another
 *   rank, or of bigints
 * @example
 * ```ts
 * import { load, randomShift, sgd, train } from 'espalier'
 * import { data } from './data.js'
 *
 * const augment = randomShift({ pixels: 1, fill: -1 })
 * const options = { data, loss: 'cross-entropy', epochs: 1, optimizer: sgd({ lr: 0.01 }), augment } as const
 * for await (const event of train(await load('model.pt'), options)) console.log(event.kind)
 * // batch
 * // epoch
 * ```
 */
export function randomShift(options: RandomShiftOptions = {}): Augment {
  RANDOM_SHIFT.check(options)
  const { pixels = 1, fill = 0 } = options
  const shift: Augment = ({ inputs }, random) => {
    const { data, shape } = inputs[0]!
    const isOfNumbers = typeof data[0] !== 'bigint'
    if (shape.length !== 4 || !isOfNumbers) {
      const words = `images [n, channels, height, width] of numbers, not [${shape.join(', ')}] of ${data.constructor.name}`
      throw new EspalierError('ERR_INVALID_ARGUMENT', `randomShift moves ${words}`)
    }
    const [examples, channels, height, width] = shape as [number, number, number, number]
    const image = height * width
    for (let n = 0; n < examples; n++) {
      const down = random.integer(-pixels, pixels)
      const right = random.integer(-pixels, pixels)
      for (let c = 0; c < channels; c++) {
        const start = (n * channels + c) * image
        const source = data.slice(start, start + image)
        for (let i = 0; i < image; i++) {
          const y = Math.floor(i / width) - down
          const x = (i % width) - right
          const inside = y >= 0 && y < height && x >= 0 && x < width
          data[start + i] = inside ? source[y * width + x]! : fill
        }
      }
    }
  }
  return describes(shift, { name: 'randomShift', pixels, fill })
}
