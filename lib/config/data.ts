import { stat } from 'node:fs/promises'
import { EspalierError } from '../base/errors.js'
import { reasonOf } from '../base/files.js'
import { given } from '../base/given.js'
import { faultOf, shown } from '../base/schema/index.js'
import type { SparsifyOptions } from '../run/index.js'
import { type ModuleInput, Tensor } from '../torch/index.js'
import { DATASET } from '../train/data/dataset.js'
import { isLabelled } from '../train/data/labelled.js'
import { type Dataset, type ImageFolder, imageFolder, split } from '../train/index.js'
import { ENDINGS, readerOf } from './files.js'
import type { Config } from './option.js'
import { withoutTargets } from './unlabelled.js'

/** What the data are for. */
export interface DataContext {
  /** Example inputs of the model: pictures are made of their size. */
  inputs: readonly ModuleInput[]
  seed: number
  /** What is to be learnt: a column, an array, a file of labels. False: nothing. By default what is called so. */
  labels?: string | number | false | undefined
  /** Names of the model's inputs. */
  inputNames?: readonly string[] | undefined
  onWarning(message: string): void
  /** Classes that are known already. */
  classes?: readonly string[] | undefined
  /** Whether other data, with labels, are trained on: a file of labels is then theirs. False by default. */
  labelled?: boolean | undefined
}

export interface Read {
  data: SparsifyOptions['data']
  labelled: boolean
}

/** The data of a config: paths are read, datasets of a program stay. */
export async function dataOf({ train, validation }: Config, context: DataContext): Promise<Read> {
  const whole = await datasetOf(train, 'train', context)
  const labelled = await isLabelled(whole)
  if (typeof validation === 'number') {
    // The same examples, but as they are measured.
    const plain = await datasetOf(train, 'eval', context)
    const [ofWhole, ofPlain] = [whole, plain].map((each) => split(each, { validation, seed: context.seed }))
    return { data: { train: ofWhole!.train, validation: ofPlain!.validation }, labelled }
  }
  const { classes } = whole as Partial<ImageFolder>
  const ofOther = { ...context, labelled, ...(classes !== undefined && classes.length > 0 && { classes }) }
  const other = validation === undefined ? undefined : await datasetOf(validation, 'eval', ofOther)
  return { data: other === undefined ? { train: whole } : { train: whole, validation: other }, labelled }
}

/** One dataset: pictures as they are trained on, or as they are measured. */
export async function datasetOf(what: unknown, transform: 'train' | 'eval', context: DataContext): Promise<Dataset> {
  if (typeof what === 'object' && what !== null && 'batch' in what) {
    const fault = faultOf(DATASET, what as Dataset, '', 'data')
    if (fault !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', fault.words)
    const { labels } = context
    if (labels === undefined) return what as Dataset
    if (labels === false) return withoutTargets(what as Dataset)
    const words = `a dataset of a program says itself what is to be learnt, and not ${shown(labels)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: "Leave 'labels' out, or give false for none." })
  }
  const { name, ...options } = typeof what === 'string' ? { name: what } : ((what ?? {}) as { name: string })
  if (typeof name !== 'string') {
    const words = `data must be a path, { name: path, … } or a dataset, not ${shown(what)}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  const info = await stat(name).catch((error) => {
    throw new EspalierError('ERR_READ', `${name} could not be read: ${reasonOf(error)}`, { cause: error })
  })
  if (info.isDirectory()) return await pictures(name, transform, options, context)
  const reader = readerOf(name)
  if (reader !== undefined) return await reader(name, options, context)
  throw new EspalierError('ERR_INVALID_ARGUMENT', `${name} is no data that can be read`, {
    hint: `A folder of pictures, or a file that ends in ${ENDINGS.join(', ')}.`,
  })
}

/** As large, and of as many channels, as the model's first input. */
async function pictures(
  folder: string,
  transform: 'train' | 'eval',
  options: object,
  context: DataContext,
): Promise<Dataset> {
  const [first] = context.inputs
  const shape = first instanceof Tensor ? first.shape : []
  if (shape.length !== 4) {
    const words = `pictures are an input [n, channels, height, width], not [${shape.join(', ')}]`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words)
  }
  const [, channels, height, width] = shape as [number, number, number, number]
  const own = { size: [height, width] as const, channels: channels as 1 | 3, transform, seed: context.seed }
  const { labels, classes } = context
  const images = await imageFolder(folder, given({ ...own, labels, classes, ...options }) as object)
  return telling(images, folder, context.onWarning)
}

/** Tells of broken pictures: at once of those that are known, and later of those whose pixels can't be decoded, or that are gone. */
function telling(images: ImageFolder, folder: string, onWarning: (message: string) => void): ImageFolder {
  let told = 0
  const tell = () => {
    const names = images.skipped.slice(told).map(({ file, reason }) => `${file} (${reason})`)
    told += names.length
    if (names.length > 0) onWarning(`${folder}: ${names.length} broken pictures are left out: ${names.join(', ')}`)
  }
  tell()
  const { batch } = images
  return Object.assign(images, {
    async batch(...asked: Parameters<Dataset['batch']>) {
      const made = await batch(...asked)
      tell()
      return made
    },
  })
}
