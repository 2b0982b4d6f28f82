import { EspalierError } from '../base/errors.js'
import { given } from '../base/given.js'
import { type Entries, maybe } from '../base/schema/index.js'
import { call, type ModuleOutput, type RunOptions, type ScriptModule, Tensor } from '../torch/index.js'
import { CLASS_AXIS, type ClassAxis, IGNORED } from './classes.js'
import type { TensorBatch } from './data/batches.js'
import type { Evaluation } from './evaluate.js'
import { clearLoss, unclear } from './losses/clear.js'
import { type KnownLoss, knownLoss, LOSS, type Loss, type OutputContext } from './losses/index.js'
import { ALWAYS, METRICS, type Metric, type MetricName, metricOf } from './metrics/index.js'
import { OUTPUT_PATH, type OutputPath, partOf } from './output.js'
import { distance, mustBeAlike, TEACHER, type Teacher, wholeTeacher } from './teacher.js'
import { Watch } from './watch.js'

/** What a model is trained for, and judged by. */
export interface ObjectiveOptions {
  /**
   * A name such as `'cross-entropy'`, one of {@link losses} or a function; see {@link Loss}. By default what is clear: class indices mean
   * cross entropy, numbers of the output's shape mean squared differences.
   */
  loss?: Loss | undefined
  /** Which part of the output the loss and the metrics are given: `'logits'`, `0`, `'heads.1'`; all of it by default. */
  output?: OutputPath | undefined
  /** The dimension of the classes, 1, or -1 for the last; by default the one that the shapes tell, if they tell one. */
  classAxis?: ClassAxis | undefined
  /** What is judged beside the loss, and accuracy where it can be; see {@link metrics}. The first decides where a run must choose. None by default. */
  metrics?: readonly (MetricName | Metric)[] | undefined
  /** A model whose outputs are targets, with or without targets in the data; see {@link TeacherOptions}. None by default. */
  teacher?: Teacher | undefined
}

/** @internal */
export const OBJECTIVE_ENTRIES: Entries<ObjectiveOptions> = {
  loss: maybe(LOSS),
  output: maybe(OUTPUT_PATH),
  classAxis: maybe(CLASS_AXIS),
  metrics: maybe(METRICS),
  teacher: maybe(TEACHER),
}

/** These options of others. */
export function objectiveOf<Options extends ObjectiveOptions>(options: Options): ObjectiveOptions {
  const { loss, output, classAxis, metrics, teacher } = options
  return { loss, output, classAxis, metrics, teacher }
}

/** How good a model is, more is better: by the first of the metrics asked for, else by accuracy, else by minus the loss. */
export function scoreOf(evaluation: Evaluation, { metrics = [] }: ObjectiveOptions): number {
  const [first] = metrics
  if (first === undefined) return evaluation.accuracy ?? -evaluation.loss
  const { name, better } = metricOf(first)
  const value = evaluation[name] ?? Number.NaN
  return better === 'higher' ? value : -value
}

/** @throws ERR_INVALID_ARGUMENT where nothing can be lost from it */
export function mustBeComparable(evaluation: Evaluation, options: ObjectiveOptions): void {
  if (!Number.isNaN(scoreOf(evaluation, options))) return
  const name = options.metrics?.[0] === undefined ? 'loss' : metricOf(options.metrics[0]).name
  throw new EspalierError(
    'ERR_INVALID_ARGUMENT',
    `'maxDrop' has nothing to go by: on the validation data the ${name} is NaN`,
    {
      hint: 'Does any of its targets count?',
    },
  )
}

/**
 * What is lost from one model to the next, 0 or less where nothing is: of accuracy, or the first metric where more is better, in its own
 * unit; of what is better when it is less, a part.
 */
export function dropBetween(before: Evaluation, after: Evaluation, options: ObjectiveOptions): number {
  const [first] = options.metrics ?? []
  const isMore = first === undefined ? before.accuracy !== undefined : metricOf(first).better === 'higher'
  const lost = scoreOf(before, options) - scoreOf(after, options)
  return isMore ? lost : lost / Math.abs(scoreOf(before, options))
}

/** The teacher's share where there are targets, too. */
const SHARE = 0.5

/** What a model gave for a batch, and its teacher. */
export interface Outcome {
  whole: ModuleOutput
  taught: ModuleOutput | undefined
  /** What submodules gave, and what the teacher's gave, where both have one shape. */
  matched: readonly (readonly [own: Tensor, taught: Tensor])[]
}

/** Sums of metrics over batches. */
export class Judgement {
  readonly #totals: { metric: Metric; sums: number[] | undefined; asked: boolean }[]

  constructor(always: readonly Metric[], asked: readonly Metric[]) {
    const names = new Set(asked.map(({ name }) => name))
    const others = always.filter(({ name }) => !names.has(name))
    this.#totals = [
      ...others.map((metric) => ({ metric, sums: undefined, asked: false })),
      ...asked.map((metric) => ({ metric, sums: undefined, asked: true })),
    ]
  }

  async add(output: ModuleOutput, targets: Tensor, context: OutputContext): Promise<void> {
    for (const total of this.#totals) {
      const numbers = await total.metric.judge(output, targets, context)
      if (numbers === undefined) continue
      total.sums = numbers.map((number, k) => number + (total.sums?.[k] ?? 0))
    }
  }

  /** @throws ERR_INVALID_ARGUMENT for a metric that was asked for and can't judge such outputs and targets */
  results(): Record<string, number> {
    return Object.fromEntries(
      this.#totals.flatMap(({ metric, sums, asked }) => {
        if (sums !== undefined) {
          const result = metric.result?.(sums) ?? (sums[0] as number) / (sums[1] as number)
          return Number.isNaN(result) && !asked ? [] : [[metric.name, result]]
        }
        if (!asked) return []
        const words = `the metric '${metric.name}' can't judge such outputs and targets`
        throw new EspalierError('ERR_INVALID_ARGUMENT', words, {
          hint: 'See its doc comment for the shapes that it takes.',
        })
      }),
    )
  }
}

/** Losses and metrics of outputs, by the options. */
export class Objective {
  readonly #options: ObjectiveOptions
  readonly #loss: KnownLoss | undefined
  readonly #teacher
  #watches: { model: ScriptModule; own: Watch; taught: Watch } | undefined

  constructor(options: ObjectiveOptions) {
    this.#options = options
    this.#loss = options.loss === undefined ? undefined : knownLoss(options.loss)
    this.#teacher = options.teacher && wholeTeacher(options.teacher)
    this.#teacher?.module.eval()
  }

  /** What the model gives, with the graph behind it where asked for, and what its teacher gives. */
  async run(model: ScriptModule, inputs: readonly Tensor[], options: RunOptions): Promise<Outcome> {
    const { signal, flushDenormals } = options
    const watches = this.#watch(model)
    const taught = await this.#teach(inputs, { signal, flushDenormals, grad: false })
    const whole = await model.forwardWith(inputs, options)
    return { whole, taught, matched: watches === undefined ? [] : alikeOf(watches.own.take(), watches.taught.take()) }
  }

  async #teach(inputs: readonly Tensor[], options: RunOptions): Promise<ModuleOutput | undefined> {
    try {
      return await this.#teacher?.module.forwardWith(inputs, options)
    } catch (error) {
      if (!(error instanceof EspalierError) || options.signal?.aborted) throw error
      const { code, message, detail, hint } = error
      throw new EspalierError(code, `the teacher can't be asked: ${message}`, given({ detail, hint, cause: error }))
    }
  }

  #watch(model: ScriptModule): { own: Watch; taught: Watch } | undefined {
    const { module, match = [] } = this.#teacher ?? {}
    if (module === undefined || match.length === 0) return undefined
    if (this.#watches?.model !== model) {
      this.dispose()
      this.#watches = { model, own: new Watch(model, match), taught: new Watch(module, match) }
    }
    return this.#watches
  }

  /** Takes the hooks off. */
  dispose(): void {
    this.#watches?.own.remove()
    this.#watches?.taught.remove()
    this.#watches = undefined
  }

  /** The mean over the batch. */
  async loss(outcome: Outcome, batch: TensorBatch): Promise<Tensor> {
    try {
      return await this.#lossOf(outcome, batch)
    } finally {
      for (const tensor of outcome.matched.flat()) tensor.dispose()
    }
  }

  async #lossOf(outcome: Outcome, batch: TensorBatch): Promise<Tensor> {
    const { output, context } = this.#read(outcome, batch)
    const { targets } = batch
    const known = this.#loss ?? clearLoss(output, targets)
    const hard = () => {
      if (known === undefined) throw unclear(targets)
      return known(output, targets as Tensor, context)
    }
    const { weight = targets === undefined ? 1 : SHARE, temperature } = this.#teacher ?? { weight: 0, temperature: 1 }
    if (weight === 0) return hard()
    const outputs = await softLoss(known, output, context, { temperature, targets })
    const soft = await withMatched(outputs, outcome.matched)
    return weight === 1 ? soft : (call('aten::lerp.Scalar', [await hard(), soft, weight]) as Tensor)
  }

  /** Why the loss of a batch is no number, where its targets tell it. */
  doubt({ targets }: TensorBatch): string | undefined {
    const ignored = this.#loss === undefined ? IGNORED : this.#loss.ignoreIndex
    if (ignored === undefined || targets?.dtype !== 'int64' || targets.numel === 0) return undefined
    if ((targets.data() as BigInt64Array).some((label) => label !== BigInt(ignored))) return undefined
    return `No target of the batch counts: all are ${ignored}, which the loss leaves out.`
  }

  judgement(): Judgement {
    return new Judgement(ALWAYS, (this.#options.metrics ?? []).map(metricOf))
  }

  judge(judgement: Judgement, outcome: Outcome, batch: TensorBatch): Promise<void> {
    const { output, context } = this.#read(outcome, batch)
    return judgement.add(output, batch.targets as Tensor, context)
  }

  #read({ whole, taught }: Outcome, { inputs, labels }: TensorBatch): { output: ModuleOutput; context: OutputContext } {
    const { output: path, classAxis } = this.#options
    const part = taught === undefined ? undefined : partOf(taught, path)
    const { ignoreIndex = IGNORED } = this.#loss ?? {}
    const context = { inputs, whole, teacher: taught, taught: part, classAxis, ignoreIndex, labels }
    return { output: partOf(whole, path), context }
  }
}

/** Pairs of one shape; the others are let go. */
function alikeOf(own: Map<string, Tensor>, taught: Map<string, Tensor>): [Tensor, Tensor][] {
  return [...own].flatMap(([name, tensor]) => {
    const other = taught.get(name)
    if (other !== undefined && other.shape.join() === tensor.shape.join()) return [[tensor, other] as [Tensor, Tensor]]
    for (const each of [tensor, other]) each?.dispose()
    return []
  })
}

/** With the mean distance of what was matched. */
async function withMatched(loss: Tensor, matched: Outcome['matched']): Promise<Tensor> {
  if (matched.length === 0) return loss
  const own = Object.fromEntries(matched.map(([tensor], k) => [k, tensor]))
  const taught = Object.fromEntries(matched.map(([, tensor], k) => [k, tensor]))
  return call('aten::add.Tensor', [loss, await distance(own, taught), 1]) as Tensor
}

/** A loss that knows how compares with a teacher in its own way; under others outputs are compared as they are. */
function softLoss(
  known: KnownLoss | undefined,
  output: ModuleOutput,
  { taught, classAxis, ignoreIndex }: OutputContext,
  about: { temperature: number; targets: Tensor | undefined },
): Promise<Tensor> {
  if (known?.soft !== undefined && output instanceof Tensor && taught instanceof Tensor) {
    mustBeAlike(output, taught)
    return known.soft(output, taught, { ...about, classAxis, ignoreIndex })
  }
  return distance(output, taught as ModuleOutput)
}
