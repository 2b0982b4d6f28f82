import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { adamw, type TrainOptions } from '../train/index.js'
import { type DataContext, dataOf } from './data.js'
import { made } from './named.js'
import type { Config, ConfigOption } from './option.js'
import { inputsOf } from './prune.js'
import { labelsOf, objectiveOf, phaseOf, phaseOptions, SPARSIFY_OPTIONS } from './sparsify.js'

const SHARED = [
  ...['inputs', 'data.train', 'data.validation', 'data.labels', 'loss', 'output', 'classAxis', 'metrics', 'teacher'],
  ...['augment', 'seed'],
]
/** Where nothing else is said. */
const [EPOCHS, RATE] = [10, 1e-3]

export const FINETUNE_OPTIONS: readonly ConfigOption[] = [
  ...SPARSIFY_OPTIONS.filter(({ path }) => SHARED.includes(path)),
  ...phaseOptions('', `; ${EPOCHS} by default`).map((option) =>
    option.path === 'optimizer' ? { ...option, help: `adamw:lr=${RATE} (default), sgd:lr=0.1,momentum=0.9` } : option,
  ),
]

/** @throws EspalierError ERR_INVALID_ARGUMENT, and what reading its files throws */
export async function finetuneOptions(config: Config, context: Omit<DataContext, 'inputs' | 'seed' | 'labels'>) {
  const { data, inputs = [], augment, seed = 0, ...rest } = config
  if ((data as Config | undefined)?.train === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no data to train on', { hint: 'Name it: --data photos/' })
  }
  const examples = inputsOf(inputs, 'inputs')
  const { labels, ...sets } = data as Config
  const read = await dataOf(sets, { ...context, labels: labelsOf(labels), inputs: examples, seed: seed as number })
  const objective = await objectiveOf(config, read.labelled)
  if (objective.options.teacher === true) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there are no labels, and there is no teacher', {
      hint: 'Name the model that knows: --teacher model.pt',
    })
  }
  const whole = { epochs: EPOCHS, optimizer: adamw({ lr: RATE }), ...(phaseOf(rest) as Config) }
  const options = given({ ...whole, ...objective.options, augment: made('augment', augment), seed, data: read.data })
  return { options: options as unknown as TrainOptions, dispose: objective.dispose }
}
