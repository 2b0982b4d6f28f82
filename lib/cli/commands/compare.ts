import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import { EspalierError } from '../../base/errors.js'
import { shown } from '../../base/schema/index.js'
import { EVALUATE_OPTIONS, evaluateOptions } from '../../config/evaluate.js'
import { inputOf } from '../../config/inputs.js'
import type { Config } from '../../config/option.js'
import { formatTable, integer, measureLatency } from '../../report/index.js'
import { Prunable } from '../../run/index.js'
import { load, type ModuleInput, type ScriptModule, setThreads, threads } from '../../torch/index.js'
import { type Evaluation, evaluate } from '../../train/index.js'
import { configOf, newCommand, printed, type Result, run, type Work, withConfig } from '../command.js'

interface Conditions {
  batches: string
  threads?: string
  rounds: string
  printConfig?: boolean
}

/** `espalier compare model.pt small.pt -i 1,3,224,224`. */
export function compareCommand(): Command {
  const command = withConfig(
    newCommand('compare', 'two models side by side: sizes, times in turns, and on data accuracy and agreement', [
      'espalier compare model.pt small.pt -i 1,3,224,224 --batches 1,8 --threads 1,2',
      'espalier compare model.pt small.pt -i 1,3,224,224 --data photos/',
    ])
      .argument('<first>', 'a TorchScript file')
      .argument('<second>', 'another that takes the same inputs'),
    EVALUATE_OPTIONS.filter(({ path }) => path !== 'teacher'),
  )
    .option('--batches <sizes>', 'batch sizes to time', '1,8')
    .option('--threads <counts>', 'threads to time with; as many as there are by default')
    .option('--rounds <count>', 'passes of each model, in turns', '50')
  return command.action((first: string, second: string, conditions: Conditions) =>
    run(command, async (work) => {
      const config = await configOf(command, EVALUATE_OPTIONS)
      return conditions.printConfig ? printed(config) : compared([first, second], config, conditions, work)
    }),
  )
}

async function compared(
  paths: readonly [string, string],
  config: Config,
  { batches, threads: counts = String(threads()), rounds }: Conditions,
  work: Work,
): Promise<Result> {
  const { say, signal } = work
  const texts = (config.inputs ?? []) as readonly string[]
  if (texts.length === 0) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', 'there is no example input', {
      hint: 'Say its shape: -i 1,3,224,224',
    })
  }
  const [sizes, many, [passes = 0]] = [wholes(batches), wholes(counts), wholes(rounds)]
  const models: ScriptModule[] = []
  try {
    for (const path of paths) models.push((await load(path, { signal })).eval())
    const measured = await Promise.all(paths.map((path, k) => sizeOf(path, models[k]!, texts.map(inputOf), signal)))
    const times: { batch: number; threads: number; ms: readonly number[]; ratio: number }[] = []
    const before = threads()
    for (const batch of sizes) {
      const inputs = texts.map((text) => inputOf(withBatch(text, batch)))
      for (const count of many) {
        say(`Timing batches of ${batch} with ${count} threads …`)
        setThreads(count)
        const both = await measureLatency(models, inputs, { rounds: passes, signal })
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

interface Sizes {
  bytes: number
  params: number
  macs: number
}

async function sizeOf(
  path: string,
  model: ScriptModule,
  inputs: readonly ModuleInput[],
  signal: AbortSignal,
): Promise<Sizes> {
  const prunable = await Prunable.of(model, { inputs, signal })
  const { params, macs } = prunable.count()
  prunable.dispose()
  return { bytes: (await stat(path)).size, params, macs }
}

/** The second is also told how often it agrees with the first. */
async function evaluated(
  models: readonly ScriptModule[],
  config: Config,
  { say, signal }: Work,
): Promise<Evaluation[]> {
  const inputNames = models[0]?.inputNames()
  const { dataset, options, dispose } = await evaluateOptions(config, { inputNames, onWarning: say })
  try {
    const evaluations: Evaluation[] = []
    for (const model of models) {
      say(`Measuring on ${dataset.size} examples …`)
      evaluations.push(
        await evaluate(model, dataset, { ...options, teacher: { module: models[0]!, weight: 0 }, signal }),
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
    ...(['params', 'macs', 'bytes'] as const).map((key) => integer(sizes[k]![key])),
  ])
  const right = ['parameters', 'MACs', 'bytes'].map((title) => ({ title, align: 'right' as const }))
  return formatTable([{ title: 'model' }, ...right], rows)
}

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
    names.map((name) => [name, ...evaluations.map((each) => each[name]?.toFixed(4))]),
  )
}

/** The first size of a tensor is that of the batch. */
const withBatch = (text: string, batch: number): string => text.replace(/^((?:\w+:)?)\d+/, `$1${batch}`)

function wholes(text: string): number[] {
  return text.split(',').map((part) => {
    const value = Number(part)
    if (Number.isInteger(value) && value >= 1) return value
    throw new EspalierError('ERR_INVALID_ARGUMENT', `${shown(part)} is no count: an integer of at least 1`)
  })
}
