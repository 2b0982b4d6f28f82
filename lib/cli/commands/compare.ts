import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { shown } from '../../base/schema/index.js'
import { evaluateOptions, evaluateOptionsWhere } from '../../config/evaluate.js'
import type { Config } from '../../config/option.js'
import { inputsOf } from '../../config/prune.js'
import { resized, tensorsOf } from '../../cut/verify/inputs.js'
import { formatTable, integer, measureLatency } from '../../report/index.js'
import { metricInWords } from '../../report/metrics.js'
import { Prunable } from '../../run/index.js'
import { load, type ModuleInput, type ScriptModule, setThreads, threads } from '../../torch/index.js'
import { isLabelled } from '../../train/data/labelled.js'
import { type Evaluation, evaluate } from '../../train/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'
import { withInputs } from '../kept-inputs.js'
import { pacedPart } from '../pace.js'
import { watched } from '../watched.js'

interface Conditions {
  batches: string
  threads?: string
  rounds: string
  printConfig?: boolean
}

/** Who teaches is said by the order of both. */
const OPTIONS = evaluateOptionsWhere('the first model').filter(({ path }) => path !== 'teacher')

/** `espalier compare model.pt small.pt -i 1,3,224,224`. */
export function compareCommand(): Command {
  const command = withConfig(
    newCommand('compare', 'two models side by side: sizes, times in turns, and on data accuracy and agreement', [
      'espalier compare model.pt small.pt -i 1,3,224,224 --batches 1,8 --threads 1,2',
      'espalier compare model.pt small.pt -i 1,3,224,224 --data photos/',
    ])
      .argument('<first>', 'a TorchScript file')
      .argument('<second>', 'another that takes the same inputs'),
    OPTIONS,
  )
    .option('--batches <sizes>', 'batch sizes to time', '1,8')
    .option('--threads <counts>', 'threads to time with; as many as there are by default')
    .option('--rounds <count>', 'passes of each model, in turns', '50')
  return command.action((first: string, second: string, conditions: Conditions) =>
    run(command, async (work) => {
      const config = await configOf(command, OPTIONS)
      return conditions.printConfig ? printed(config) : compared([first, second], config, conditions, work)
    }),
  )
}

async function compared(
  paths: readonly [string, string],
  asked: Config,
  { batches, threads: counts = String(threads()), rounds }: Conditions,
  work: Work,
): Promise<Result> {
  const { say, signal } = work
  const [sizes, many, [passes = 0]] = [wholes(batches), wholes(counts), wholes(rounds)]
  const models: ScriptModule[] = []
  try {
    say(`Loading ${paths.map((path) => basename(path)).join(' and ')} …`)
    for (const path of paths) models.push((await load(path, { signal, frozen: true })).eval())
    let config = asked
    for (const [k, path] of paths.entries()) config = await withInputs(config, models[k]!, path)
    const examples = examplesOf(config)
    const measured = await Promise.all(paths.map((path, k) => sizeOf(path, models[k]!, examples, signal)))
    const times: { batch: number; threads: number; ms: readonly number[]; ratio: number }[] = []
    const before = threads()
    for (const batch of sizes) {
      const inputs = inBatches(examples, batch)
      for (const count of many) {
        say(`Timing batches of ${batch} with ${count} threads …`)
        setThreads(count)
        const onProgress = pacedPart(work, 'timing')
        const both = await measureLatency(models, inputs, { rounds: passes, onProgress, signal })
        const [a = 0, b = 0] = both.map(({ median }) => median)
        times.push({ batch, threads: count, ms: [a, b], ratio: b / a })
      }
    }
    setThreads(before)
    const evaluations = config.data === undefined ? undefined : await evaluated(models, config, work)
    const text = [
      sizeTable(paths, measured),
      '',
      timeTable(times),
      ...(evaluations ? ['', scoreTable(evaluations)] : []),
    ]
    return { text: text.join('\n'), data: { models: paths, sizes: measured, times, evaluations } }
  } finally {
    for (const model of models) model.dispose()
  }
}

/** Of a model that was frozen only the bytes are known. */
interface Sizes {
  bytes: number
  params: number | undefined
  macs: number | undefined
}

async function sizeOf(
  path: string,
  model: ScriptModule,
  inputs: readonly ModuleInput[],
  signal: AbortSignal,
): Promise<Sizes> {
  const { size: bytes } = await stat(path)
  if (model.parameters().size === 0) return { bytes, params: undefined, macs: undefined }
  using prunable = await Prunable.of(model, { inputs, signal })
  const { params, macs } = prunable.count()
  return { bytes, params, macs }
}

/** @throws ERR_INVALID_ARGUMENT */
function examplesOf({ inputs = [] }: Config): readonly ModuleInput[] {
  const examples = inputsOf(inputs, 'inputs')
  if (examples.length > 0) return examples
  const hint = 'Say its shape: -i 1,3,224,224'
  throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no example input', { hint })
}

/** The second is also told how often it agrees with the first, which says what is right of data without labels. */
async function evaluated(models: readonly ScriptModule[], config: Config, work: Work): Promise<Evaluation[]> {
  const { say, signal } = work
  const inputNames = models[0]?.inputNames()
  const { dataset, options, dispose } = await evaluateOptions(config, { inputNames, onWarning: say })
  try {
    const module = models[0] as ScriptModule
    const teacher = (await isLabelled(dataset)) ? { module, weight: 0 } : { module }
    const evaluations: Evaluation[] = []
    for (const model of models) {
      say(`Measuring on ${dataset.size} examples …`)
      evaluations.push(
        await evaluate(model, watched(dataset, work, 'measured'), {
          ...options,
          teacher,
          signal,
        }),
      )
    }
    return evaluations
  } finally {
    dispose()
  }
}

function sizeTable(paths: readonly string[], sizes: readonly Sizes[]): string {
  const rows = paths.map((path, k) => [
    path,
    ...(['params', 'macs', 'bytes'] as const).map((key) => shownSize(sizes[k]![key])),
  ])
  const right = ['parameters', 'MACs', 'bytes'].map((title) => ({ title, align: 'right' as const }))
  return formatTable([{ title: 'model' }, ...right], rows)
}

const shownSize = (size: number | undefined): string => (size === undefined ? '-' : integer(size))

function timeTable(times: readonly { batch: number; threads: number; ms: readonly number[]; ratio: number }[]): string {
  const columns = ['batch', 'threads', 'first, ms', 'second, ms', 'second / first']
  return formatTable(
    columns.map((title) => ({ title, align: 'right' })),
    times.map(({ batch, threads, ms, ratio }) => [
      ...[batch, threads, ...ms.map((time) => time.toFixed(2)), ratio.toFixed(3)],
    ]),
  )
}

function scoreTable(evaluations: readonly Evaluation[]): string {
  const names = [...new Set(evaluations.flatMap(Object.keys))]
  const columns = ['', 'first', 'second'].map((title, k) => ({
    title,
    align: k === 0 ? ('left' as const) : ('right' as const),
  }))
  return formatTable(
    columns,
    names.map((name) => [
      name,
      ...evaluations.map(({ [name]: value }) => (value === undefined ? undefined : metricInWords(name, value))),
    ]),
  )
}

/** The first size of a tensor is that of the batch, in lists and dicts, too; what is larger repeats the example. */
function inBatches(examples: readonly ModuleInput[], batch: number): ModuleInput[] {
  const batched = tensorsOf(examples).flatMap(({ shape }, k) =>
    shape[0] === undefined || shape[0] === 0 ? [] : [[k, new Map([[0, batch]])] as const],
  )
  return resized(examples, new Map(batched))
}

function wholes(text: string): number[] {
  return text.split(',').map((part) => {
    const value = Number(part)
    if (Number.isInteger(value) && value >= 1) return value
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${shown(part)} is no count: an integer of at least 1`)
  })
}
