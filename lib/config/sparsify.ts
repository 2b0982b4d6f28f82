import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { shown } from '../base/schema/index.js'
import type { SparsifyOptions } from '../run/index.js'
import { load, type ScriptModule } from '../torch/index.js'
import { type DataContext, dataOf } from './data.js'
import { type Kind, made } from './named.js'
import type { Config, ConfigOption } from './option.js'
import { common, PLAN_OPTIONS } from './prune.js'

/** A phase, at `sparse.` or `finetune.`, or by itself. */
export const phaseOptions = (at: 'sparse.' | 'finetune.' | '', words: string): ConfigOption[] => [
  { path: `${at}epochs`, value: '<count>', as: 'plain', help: `passes over the data${words}` },
  {
    path: `${at}optimizer`,
    value: '<name>',
    as: 'named',
    kind: 'optimizer',
    help: 'adamw (default) or sgd, whose learning rates short trials find; or sgd:lr=0.1,momentum=0.9',
  },
  {
    path: `${at}schedule`,
    value: '<name>',
    as: 'named',
    kind: 'schedule',
    help: 'of the learning rate: constant, step:every=5, cosine:hold=0.6,floor=0.05',
  },
  { path: `${at}batchSize`, value: '<count>', as: 'plain', help: 'examples in a batch; 64 by default' },
  { path: `${at}dropLast`, value: '', as: 'switch', help: 'leave out a last batch that is not full' },
  {
    path: `${at}microBatches`,
    value: '<count>',
    as: 'plain',
    help: 'backward passes for one step, for batches that do not fit into memory',
  },
  { path: `${at}clipNorm`, value: '<norm>', as: 'plain', help: 'the largest L2 norm of all gradients together' },
  {
    path: `${at}lossScale`,
    value: '<factor>',
    as: 'plain',
    help: 'the loss is multiplied by it for the backward pass',
  },
]

/** Of the data that a command reads; a program has datasets. */
export const LABELS: ConfigOption = {
  path: 'data.labels',
  flag: '--labels',
  value: '<name>',
  as: 'plain',
  help: 'what is to be learnt: a column of a table, an array of a file, a .npy, .csv or .json file; what is called so by default',
  off: 'the data have no labels: the model as it is, or a teacher, says what is right',
}

export const SPARSIFY_OPTIONS: readonly ConfigOption[] = [
  {
    path: 'data.train',
    flag: '-d, --data',
    value: '<what>',
    as: 'data',
    help: 'what to train on: a folder of pictures, which may have options (photos/:mean=0.5,std=0.5), or a file: .npz, .npy, .safetensors, .csv, .tsv; .txt and .bin for tokens',
  },
  {
    path: 'data.validation',
    flag: '--validation',
    value: '<what>',
    as: 'data',
    help: 'what to measure on: the same, or a part of the training data, such as 0.1',
  },
  LABELS,
  ...PLAN_OPTIONS,
  {
    path: 'loss',
    value: '<name>',
    as: 'named',
    kind: 'loss',
    help: 'cross-entropy, mse, …; what is clear from the data by default',
  },
  {
    path: 'output',
    flag: '--output-part',
    value: '<path>',
    as: 'plain',
    help: "which part of the model's output counts: logits, 0, heads.1",
  },
  { path: 'classAxis', value: '<1 or -1>', as: 'plain', help: 'the dimension of the classes' },
  {
    path: 'metrics',
    flag: '--metric',
    value: '<name>',
    as: 'nameds',
    kind: 'metric',
    help: 'what is measured, too: top5, perplexity, meanIoU, r2; may be given again',
  },
  {
    path: 'teacher',
    value: '<which>',
    as: 'plain',
    help: 'whose outputs are targets: true (the model as it is), or a .pt file',
  },
  {
    path: 'regularizer',
    value: '<name>',
    as: 'named',
    kind: 'regularizer',
    help: 'fading (default), growing:target=plan,strength=8, greg1, …',
  },
  ...phaseOptions('sparse.', ' under the regularizer; 500 steps or more by default'),
  { path: 'finetune', flag: '--finetune', value: '<json>', as: 'json', help: 'false for no training after the cut' },
  ...phaseOptions('finetune.', ' after the cut; two thirds of the others by default'),
  { path: 'rounds', value: '<count>', as: 'plain', help: 'in how many rounds it is regularized and cut; 1 by default' },
  {
    path: 'extend',
    value: '<part>',
    as: 'plain',
    help: 'by how much the regularized phase may go on until what goes has given way',
  },
  {
    path: 'maxDrop',
    value: '<part>',
    as: 'plain',
    help: 'the most that may be lost at the cut, on the validation data; else it is withheld',
  },
  {
    path: 'compensate',
    value: '<json>',
    as: 'json',
    help: 'fold what removed channels still emit into biases: true, or {"batches":8}',
  },
  {
    path: 'checkpoint.path',
    flag: '--checkpoint',
    value: '<file>',
    as: 'text',
    help: 'where the run is, to go on from; beside the output by default, until it is done',
  },
  {
    path: 'checkpoint.every',
    value: '<epochs>',
    as: 'plain',
    help: 'epochs from one checkpoint to the next; 1 by default',
  },
  {
    path: 'checkpoint.resume',
    flag: '--resume',
    value: '',
    as: 'switch',
    help: 'go on from the checkpoint, if there is one',
  },
  {
    path: 'augment',
    value: '<name>',
    as: 'named',
    kind: 'augment',
    help: 'changes the examples of each batch: randomShift:pixels=1',
  },
  { path: 'seed', value: '<number>', as: 'plain', help: 'the same seed gives the same result; 0 by default' },
]

/** What is made of a config, and what of it is to be disposed of. */
export interface Made {
  options: SparsifyOptions
  dispose(): void
}

/**
 * The options of `sparsify` as its call takes them.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT, and what reading its files throws
 */
export async function sparsifyOptions(config: Config, context: Omit<DataContext, 'inputs' | 'labels'>): Promise<Made> {
  const shared = common(config)
  const { data, sparse, finetune, regularizer, augment } = config
  if (data === undefined || (data as Config).train === undefined) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no data to train on', {
      hint: 'Name it: --data photos/, a folder of pictures. Without any, espalier prune cuts in one shot.',
    })
  }
  const { labels, ...sets } = data as Config
  const read = await dataOf(sets, { ...context, labels: labelsOf(labels), inputs: shared.inputs })
  const objective = await objectiveOf(config, read.labelled)
  const options = given({
    ...config,
    ...shared,
    ...objective.options,
    ...named({ regularizer, augment }),
    ...{ data: read.data, sparse: phaseOf(sparse), finetune: phaseOf(finetune) },
  })
  return { options: options as unknown as SparsifyOptions, dispose: objective.dispose }
}

/** What is trained for, and judged by. Data without labels are taught by the model as it is. */
export async function objectiveOf({ loss, metrics, teacher }: Config, labelled: boolean) {
  const taught = await teacherOf(teacher, labelled)
  const named = Array.isArray(metrics) ? metrics.map((metric) => made('metric', metric)) : metrics
  const options: Config = { loss: made('loss', loss), metrics: named, teacher: taught.teacher }
  return { options, dispose: () => taught.own?.dispose() }
}

/** @throws EspalierError ERR_INVALID_ARGUMENT */
export function labelsOf(labels: unknown): DataContext['labels'] {
  if (labels === undefined || labels === false || typeof labels === 'string' || typeof labels === 'number')
    return labels
  throw new EspalierError('ERR_INVALID_ARGUMENT', `'labels' must be a name, or false, not ${shown(labels)}`)
}

const named = (values: { readonly [kind in Kind]?: unknown }): Config =>
  Object.fromEntries(Object.entries(values).map(([kind, value]) => [kind, made(kind as Kind, value)]))

export function phaseOf(phase: unknown): unknown {
  if (typeof phase !== 'object' || phase === null) return phase
  const { optimizer, schedule } = phase as Config
  return given({ ...phase, ...named({ optimizer, schedule }) })
}

/** A teacher in a file is loaded; data without labels are taught by the model as it is. */
async function teacherOf(teacher: unknown, labelled: boolean): Promise<{ teacher: unknown; own?: ScriptModule }> {
  if (teacher === undefined) return { teacher: labelled ? undefined : true }
  const module = typeof teacher === 'string' ? teacher : (teacher as { module?: unknown } | null)?.module
  if (typeof module !== 'string') return { teacher }
  const own = await load(module)
  return { teacher: typeof teacher === 'string' ? own : { ...(teacher as object), module: own }, own }
}
