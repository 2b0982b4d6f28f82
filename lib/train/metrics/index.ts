import { either, func, like, list, oneOf, refined, text } from '../../base/schema/index.js'
import { accuracy, agreement, meanIoU, perplexity, topK } from './classes.js'
import type { Metric } from './metric.js'
import { type ErrorRateOptions, errorRate, r2 } from './values.js'

export type { Metric } from './metric.js'
export type { ErrorRateOptions }

/** What is judged without being asked for, wherever it can be. */
export const ALWAYS: readonly Metric[] = [accuracy, agreement]

/** Metrics by the name of their option, which is that of their place in an evaluation. */
export type MetricName = 'accuracy' | 'agreement' | 'top5' | 'perplexity' | 'meanIoU' | 'r2'

const NAMED: Readonly<Record<MetricName, Metric>> = {
  ...{ accuracy, agreement },
  ...{ top5: topK(5), perplexity: perplexity(), meanIoU: meanIoU(), r2: r2() },
}

const NAMES = Object.keys(NAMED) as MetricName[]

/**
 * Metrics for the option `metrics`; those without options may be named, too: `'top5'`, `'perplexity'`, `'meanIoU'`, `'r2'`.
 *
 * @example
 * ```ts
 * import { evaluate, load, type ModuleOutput, metrics } from 'espalier'
 * import { data } from './data.js'
 *
 * const judged = await evaluate(await load('model.pt'), data.validation, { metrics: [metrics.topK(3), 'perplexity'] })
 * console.log(Object.keys(judged)) // [ 'loss', 'accuracy', 'top3', 'perplexity' ]
 * const read = (output: ModuleOutput) => [String(output)]
 * console.log(metrics.errorRate({ read, reference: () => ['one two'] }).name) // wordErrorRate
 * ```
 */
export const metrics = {
  /** Part of the targets among the `k` largest elements along the classes. */
  topK,
  /** The exponential of the mean cross entropy. */
  perplexity,
  /** Overlap by union, a mean over the classes. */
  meanIoU,
  /** The coefficient of determination. */
  r2,
  /** Of words or characters; see {@link ErrorRateOptions}. */
  errorRate,
} as const

/** @internal */
export const METRICS = list<MetricName | Metric>(
  either(
    `${NAMES.map((name) => `'${name}'`).join(', ')} or a metric, such as metrics.topK(3)`,
    oneOf(...NAMES),
    like<Metric>('a metric', {
      name: refined(text(), "a text that is not 'loss'", (name) => name !== 'loss'),
      better: oneOf('higher', 'lower'),
      judge: func(),
    }),
  ),
  'a list of metrics',
)

export const metricOf = (metric: MetricName | Metric): Metric => (typeof metric === 'string' ? NAMED[metric] : metric)
