/** Datasets of files, by how their names end. */

import { extname } from 'node:path'
import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { faultOf, maybe, object, type Schema, shown, text } from '../base/schema/index.js'
import { Tensor } from '../torch/index.js'
import {
  type ArrayData,
  type Dataset,
  inMemory,
  type ReadTableOptions,
  readNpy,
  readNpz,
  readSafetensors,
  readTable,
  tokenFile,
} from '../train/index.js'
import { ARRAY_CHOICE, type ArrayChoice, asExample, datasetOfArrays } from './arrays.js'
import type { DataContext } from './data.js'
import type { Config } from './option.js'
import { withoutTargets } from './unlabelled.js'

type Reader = (path: string, options: Config, context: DataContext) => Promise<Dataset>

const READERS: Readonly<Record<string, Reader>> = {
  '.npz': async (path, { maxBytes, ...choice }, context) =>
    chosen(path, await readNpz(path, given({ maxBytes }) as object), choice, context),
  '.safetensors': async (path, choice, context) => chosen(path, await readSafetensors(path), choice, context),
  '.npy': npy,
  '.csv': table,
  '.tsv': table,
  '.tab': table,
  '.txt': tokens,
  '.bin': tokens,
}

/** The reader of a file, if there is one. */
export const readerOf = (path: string): Reader | undefined => {
  const end = extname(path).toLowerCase()
  return Object.hasOwn(READERS, end) ? READERS[end] : undefined
}

export const ENDINGS = Object.keys(READERS)

/** `a+b` on the command line is a list. */
const listOf = (value: unknown): unknown => (typeof value === 'string' ? value.split('+') : value)

function chosen(
  path: string,
  named: Readonly<Record<string, ArrayData>>,
  options: Config,
  context: DataContext,
): Dataset {
  const choice = given({ ...options, inputs: listOf(options.inputs) }) as ArrayChoice
  mustFit(ARRAY_CHOICE, choice, path)
  return datasetOfArrays(path, named, choice, context)
}

function mustFit<T>(schema: Schema<T>, options: T, path: string): void {
  const fault = faultOf(schema, options, '', 'options')
  if (fault !== undefined) throw new EspalierError('ERR_INVALID_ARGUMENT', `${path}: ${fault.words}`)
}

interface NpyChoice {
  /** The file of what is to be learnt. */
  target?: string | undefined
}

const NPY_CHOICE = object<NpyChoice>({ target: maybe(text('the name of a .npy file')) })

/** One array of inputs; another file has what is to be learnt: `--data x.npy --labels y.npy`. */
async function npy(path: string, options: Config, context: DataContext): Promise<Dataset> {
  mustFit(NPY_CHOICE, options as NpyChoice, path)
  if (options.target === undefined && context.labelled === true) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path}: which file says what is to be learnt from it?`, {
      hint: 'That of the training data has their labels alone: --validation xv.npy:target=yv.npy',
    })
  }
  const { target = context.labels } = options
  if (typeof target === 'number') {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path}: ${target} is no file of what is to be learnt from it`, {
      hint: 'Name a .npy file with a target for each row: --labels y.npy. If there is none: --no-labels.',
    })
  }
  const x = await readNpy(path)
  if (typeof target !== 'string') return datasetOfArrays(path, { x }, {}, context)
  return datasetOfArrays(path, { x, y: await readNpy(target) }, { target: 'y' }, context)
}

/** A table, of which a column is named: `--data table.csv --labels kind`. */
async function table(path: string, options: Config, context: DataContext): Promise<Dataset> {
  const { labels, classes } = context
  const target = listOf(options.target ?? (labels === false ? undefined : labels))
  if (target === undefined && labels !== false) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${path}: which column is to be learnt?`, {
      hint: 'Name it: --labels kind. If there is none: --no-labels.',
    })
  }
  const wanted = given({
    ...options,
    columns: listOf(options.columns),
    target: labels === false ? undefined : target,
    classes: options.targets === 'values' ? undefined : listOf(options.classes ?? classes),
  })
  const { inputs, targets, columns, classes: found } = await readTable(path, wanted as ReadTableOptions)
  const [example] = context.inputs
  const width = example instanceof Tensor && example.shape.length === 2 ? example.shape[1] : undefined
  if (width !== undefined && width !== columns.length) {
    const words = `${path}: there are ${columns.length} columns for ${width} numbers that the model is given (-i): ${columns.join(', ')}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'Say which: --data table.csv:columns=a+b' })
  }
  return Object.assign(inMemory(asExample(inputs, example, path), targets), { classes: found })
}

/** A text, or ids of tokens, in windows as long as the model's example input. */
async function tokens(path: string, options: Config, { inputs, labels }: DataContext): Promise<Dataset> {
  const [first] = inputs
  const length = first instanceof Tensor && first.shape.length === 2 ? first.shape[1] : undefined
  if (labels !== undefined && labels !== false) {
    throw new EspalierError(
      'ERR_INVALID_ARGUMENT',
      `${path} has no ${shown(labels)}: of tokens the next one is learnt`,
      {
        hint: 'Leave out --labels. If nothing is to be learnt from the tokens: --no-labels.',
      },
    )
  }
  const dataset = await tokenFile(path, given({ length, ...options }) as object)
  return labels === false ? withoutTargets(dataset) : dataset
}
