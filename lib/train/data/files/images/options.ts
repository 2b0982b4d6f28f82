import {
  count,
  either,
  flag,
  list,
  maybe,
  number,
  object,
  oneOf,
  pair,
  path,
  type Schema,
  signal,
  signature,
  text,
  thing,
} from '../../../../base/schema/index.js'

/** Options of {@link imageFolder}. */
export interface ImageFolderOptions {
  /** Height and width of the images, or one number for both; 224 by default. */
  size?: number | readonly [height: number, width: number] | undefined
  /** 3, red, green and blue, or 1, gray; 3 by default. */
  channels?: 1 | 3 | undefined
  /**
   * What the values are: `'imagenet'`, less the mean of ImageNet's photographs and divided by their deviation; `'unit'`, 0 to 1; `'none'`, 0 to 255.
   * `'imagenet'` by default.
   */
  normalize?: 'imagenet' | 'unit' | 'none' | undefined
  /** What is taken from the values, of 0 to 1, of all channels or of each; by default that of `normalize`. */
  mean?: number | readonly number[] | undefined
  /** What the values are divided by after that, above 0, of all channels or of each; by default that of `normalize`. */
  std?: number | readonly number[] | undefined
  /**
   * `'eval'`: the middle of the picture; `'train'`: a random part of it, mirrored at random, another one in each pass. `'eval'` by default.
   */
  transform?: 'train' | 'eval' | undefined
  /** For `'eval'`: the part of each side that is kept, above 0 to 1; 0.875 by default. */
  crop?: number | undefined
  /** For `'train'`: the least part of the area that is kept, above 0 to 1; 0.08 by default. */
  scale?: number | undefined
  /** For `'train'`: half of the images are mirrored left to right; true by default. */
  flip?: boolean | undefined
  /** For `'train'`: changes brightness, contrast and saturation by up to this part, 0 to 1; 0 by default. */
  jitter?: number | undefined
  /** For `'train'`: an integer, 0 or more; 0 by default. */
  seed?: number | undefined
  /**
   * A `.json`, `.csv` or `.tsv` file, its path from the folder: `{ "a.jpg": "cat" }`, or rows of a path and a label. False: there are no classes.
   * By default each sub-folder is a class.
   */
  labels?: string | false | undefined
  /** Names of the classes, in the order of their numbers, such as those of another folder; by default those found, in alphabetical order. */
  classes?: readonly string[] | undefined
  /** Bytes of decoded pictures that are kept in memory; 256 MiB by default. */
  cache?: number | undefined
  /** Pictures that are decoded at once; 4 by default, as Node.js has threads for it (`UV_THREADPOOL_SIZE`). */
  workers?: number | undefined
  /** Broken pictures that are left out, 0 or more; more of them are an error. 10 by default. */
  maxBroken?: number | undefined
  /** Ends the look at all files at the start, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

const ofChannels = (words: string, value: Schema<number>) =>
  maybe(either(`${words}, or a list with one for each channel`, value, list(value, 'a list')))
const part = number({ above: 0, max: 1 })
const isFalse: Schema<false> = thing('false', (value) => value === false)

/** @internal */
export const IMAGE_FOLDER = signature(
  'imageFolder',
  ['folder', path],
  [
    'options',
    object<ImageFolderOptions>({
      size: maybe(either('an integer of at least 1, or [height, width]', count(), pair(count(), '[height, width]'))),
      channels: maybe(thing<1 | 3>('1 or 3', (value) => value === 1 || value === 3)),
      normalize: maybe(oneOf('imagenet', 'unit', 'none')),
      mean: ofChannels('a number', number()),
      std: ofChannels('a number above 0', number({ above: 0 })),
      transform: maybe(oneOf('train', 'eval')),
      crop: maybe(part),
      scale: maybe(part),
      flip: maybe(flag),
      jitter: maybe(number({ min: 0, max: 1 })),
      seed: maybe(count(0)),
      labels: maybe(either('a path, or false', path, isFalse)),
      classes: maybe(list(text(), 'a list of names')),
      cache: maybe(count(0)),
      workers: maybe(count()),
      maxBroken: maybe(count(0)),
      signal: maybe(signal),
    }),
  ],
)
