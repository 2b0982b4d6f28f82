import type { Description } from '../../../../base/describe.js'
import { EspalierError } from '../../../../base/errors.js'
import { range } from '../../../../base/numbers.js'
import type { Random } from '../../../../base/random.js'
import type { PixelCache } from './cache.js'
import { cropped, decodeMiddle, decodeWhole, randomRegion, type Shape } from './decode.js'
import type { ImageFolderOptions } from './options.js'
import type { Sharp } from './sharp.js'
import { jittered, NORMALIZATIONS, valueTables, writeValues } from './values.js'

/** How a picture becomes an image. */
export interface Plan {
  readonly shape: Shape
  readonly seed: number
  readonly description: { readonly [option: string]: Description }
  write(sharp: Sharp, held: PixelCache, index: number, path: string, random: Random, out: Float32Array): Promise<void>
}

/** @throws EspalierError ERR_INVALID_ARGUMENT for values of other channels, and such that float32 does not hold */
export function planOf(options: ImageFolderOptions): Plan {
  const { size = 224, channels = 3, normalize = 'imagenet', transform = 'eval', seed = 0 } = options
  const { crop = 0.875, scale = 0.08, flip = true, jitter = 0 } = options
  const [height, width] = typeof size === 'number' ? [size, size] : size
  const shape: Shape = { height, width, channels }
  const mean = perChannel('mean', options.mean ?? NORMALIZATIONS[normalize].mean, channels, options.mean !== undefined)
  const std = perChannel('std', options.std ?? NORMALIZATIONS[normalize].std, channels, options.std !== undefined)
  const tables = valueTables(mean, std)
  if (!tables.every((table) => table.every(Number.isFinite))) {
    const words = `imageFolder: with 'mean' [${mean.join(', ')}] and 'std' [${std.join(', ')}] values are too large for float32`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  const common = { size: [height, width], channels, mean, std, transform }
  if (transform === 'eval') {
    return {
      ...{ shape, seed, description: { ...common, crop } },
      async write(sharp, held, index, path, _, out) {
        const { data } = await held.get(index, () => decodeMiddle(sharp, path, shape, crop))
        writeValues(data, width, tables, out, false)
      },
    }
  }
  return {
    ...{ shape, seed, description: { ...common, scale, flip, jitter, seed } },
    async write(sharp, held, index, path, random, out) {
      const whole = await held.get(index, () => decodeWhole(sharp, path, shape))
      const { data } = await cropped(sharp, whole, randomRegion(whole, shape, scale, random), shape)
      const mirrored = flip && random.uniform() < 0.5
      writeValues(jitter > 0 ? jittered(data, channels, jitter, random) : data, width, tables, out, mirrored)
    },
  }
}

/** One value for each channel; of gray, the mean of those of a preset. */
function perChannel(
  option: 'mean' | 'std',
  given: number | readonly number[],
  channels: 1 | 3,
  isOwn: boolean,
): readonly number[] {
  if (typeof given === 'number') return range(channels).map(() => given)
  if (given.length === channels) return given
  if (!isOwn) return [given.reduce((sum, value) => sum + value / given.length, 0)]
  const words = `imageFolder: '${option}' has ${given.length} values for ${channels} channels`
  throw new EspalierError('ERR_INVALID_ARGUMENT', words)
}
