import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import type { Dataset, EvaluateOptions } from '../train/index.js'
import { type DataContext, datasetOf } from './data.js'
import type { Config, ConfigOption } from './option.js'
import { inputsOf } from './prune.js'
import { LABELS, labelsOf, objectiveOf, SPARSIFY_OPTIONS } from './sparsify.js'

const SHARED = ['inputs', 'loss', 'output', 'classAxis', 'metrics', 'teacher']

export const EVALUATE_OPTIONS: readonly ConfigOption[] = [
  {
    path: 'data',
    flag: '-d, --data',
    value: '<what>',
    as: 'data',
    help: 'what to measure on: a folder of pictures, or a file: .npz, .npy, .safetensors, .csv, .tsv; .txt and .bin for tokens',
  },
  { ...LABELS, path: 'labels' },
  ...SPARSIFY_OPTIONS.filter(({ path }) => SHARED.includes(path)),
  { path: 'batchSize', value: '<count>', as: 'plain', help: 'examples in a batch; 256 by default' },
]

/** The same for a command where `right` says what is right of data without labels. */
export const evaluateOptionsWhere = (right: string): readonly ConfigOption[] =>
  EVALUATE_OPTIONS.map((option) =>
    option.path === 'labels' ? { ...option, off: `the data have no labels: ${right} says what is right` } : option,
  )

/** What `evaluate` takes beside the model. */
export interface Measured {
  dataset: Dataset
  options: EvaluateOptions
  dispose(): void
}

/** @throws EspalierError ERR_INVALID_ARGUMENT, and what reading its files throws */
export async function evaluateOptions(
  config: Config,
  context: Omit<DataContext, 'inputs' | 'seed' | 'labels'>,
): Promise<Measured> {
  const { data, labels, inputs = [], ...rest } = config
  if (data === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no data to measure on', {
      hint: 'Name it: --data photos/',
    })
  }
  const examples = inputsOf(inputs, 'inputs')
  const dataset = await datasetOf(data, 'eval', { ...context, labels: labelsOf(labels), inputs: examples, seed: 0 })
  const objective = await objectiveOf(config, true)
  const options = given({ ...rest, ...objective.options }) as unknown as EvaluateOptions
  return { dataset, options, dispose: objective.dispose }
}
