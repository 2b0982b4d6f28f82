import type { Random } from '../../../../base/random.js'
import type { Picture, Region, Sharp } from './sharp.js'

/** A decoded picture: bytes by row, column and channel. */
export interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}

/** What pictures become. */
export interface Shape {
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
}

/** A picture cut short is broken; one with a warning is not. Pictures of more than 268 million pixels sharp refuses itself. */
const READING = { failOn: 'error' } as const

/** The formats that are read; a name may promise one and the file be of another, such as SVG, which is a program. */
const FORMATS = ['jpeg', 'png', 'webp']

/** Reads the header of a picture. @throws Error with words about what is wrong */
export async function mustBePicture(sharp: Sharp, path: string): Promise<void> {
  const { format = 'nothing', width = 0, height = 0 } = await sharp(path, READING).metadata()
  if (!FORMATS.includes(format)) throw new Error(`it is ${format}, and not JPEG, PNG or WebP`)
  if (width === 0 || height === 0) throw new Error('it has no pixels')
}

/** The middle of a picture: of its largest part of this shape, `crop` of each side. */
export async function decodeMiddle(sharp: Sharp, path: string, shape: Shape, crop: number): Promise<Pixels> {
  const { height, width } = shape
  const [wide, high] = [Math.round(width / crop), Math.round(height / crop)]
  const middle = { left: Math.floor((wide - width) / 2), top: Math.floor((high - height) / 2), width, height }
  const sized = sharp(path, READING).rotate().resize({ width: wide, height: high, fit: 'cover' }).extract(middle)
  return await pixelsOf(sized, shape)
}

/** The least part of the area that random crops take by default has a side of 0.28: with 4 times the size, no crop of it is enlarged. */
const MARGIN = 4

/** A whole picture, for random crops; one that is much larger than what becomes of it is made smaller. */
export async function decodeWhole(sharp: Sharp, path: string, shape: Shape): Promise<Pixels> {
  const [width, height] = [MARGIN * shape.width, MARGIN * shape.height]
  const sized = sharp(path, READING).rotate().resize({ width, height, fit: 'outside', withoutEnlargement: true })
  return await pixelsOf(sized, shape)
}

/** A part of a decoded picture, in the size wanted. */
export async function cropped(sharp: Sharp, pixels: Pixels, region: Region, shape: Shape): Promise<Pixels> {
  const { data, width, height } = pixels
  const whole = sharp(data, { raw: { width, height, channels: shape.channels } })
  const sized = whole.extract(region).resize({ width: shape.width, height: shape.height, fit: 'fill' })
  return await pixelsOf(sized, shape)
}

async function pixelsOf(picture: Picture, { channels }: Shape): Promise<Pixels> {
  // The color of what is transparent means nothing, and is often black.
  const plain = picture.flatten({ background: '#fff' }).toColourspace(channels === 3 ? 'srgb' : 'b-w')
  const { data, info } = await plain.raw().toBuffer({ resolveWithObject: true })
  const { width, height } = info
  if (info.channels === channels) return { data, width, height }
  throw new Error(`it has ${info.channels} channels`)
}

/**
 * A random part of a picture (Szegedy et al. 2015, https://arxiv.org/abs/1409.4842, section 6): from `scale` to all of the area, with sides whose
 * ratio is that of the shape times 3/4 to 4/3. Where ten tries give none that fits, the middle.
 */
export function randomRegion({ width, height }: Pixels, shape: Shape, scale: number, random: Random): Region {
  const ratio = shape.width / shape.height
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * (scale + (1 - scale) * random.uniform())
    const stretched = ratio * Math.exp(Math.log(4 / 3) * (2 * random.uniform() - 1))
    const [wide, high] = [Math.round(Math.sqrt(area * stretched)), Math.round(Math.sqrt(area / stretched))]
    if (wide < 1 || high < 1 || wide > width || high > height) continue
    return { left: random.integer(0, width - wide), top: random.integer(0, height - high), width: wide, height: high }
  }
  const wide = Math.max(1, Math.min(width, Math.round(height * ratio)))
  const high = Math.max(1, Math.min(height, Math.round(width / ratio)))
  return { left: Math.floor((width - wide) / 2), top: Math.floor((height - high) / 2), width: wide, height: high }
}
