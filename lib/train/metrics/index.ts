import { either, func, like, list, oneOf, text } from '../../base/schema/index.js'
import { accuracy, agreement, meanIoU, perplexity, topK } from './classes.js'
import type { Metric } from './metric.js'
import { errorRate, r2 } from './values.js'

export type { Metric } from './metric.js'
export type { ErrorRateOptions } from './values.js'

/** What is judged without being asked for, wherever it can be. */
export const ALWAYS: readonly Metric[] = [accuracy, agreement]

/** By the name of the option, which is that of its place in an evaluation. */
const NAMED = { accuracy, agreement, top5: topK(5), perplexity: perplexity(), meanIoU: meanIoU(), r2: r2() } as const

/** Metrics by the name of their option. */
export type MetricName = keyof typeof NAMED

const NAMES = Object.keys(NAMED) as MetricName[]

/**
 * Metrics for the option `metrics`; those without options may be named, too: `'top5'`, `'perplexity'`, `'meanIoU'`, `'r2'`.
 *
 * @example
 * ```ts
 * import { evaluate, load, metrics } from 'espalier'
 * import { data } from './data.js'
 *
 * const judged = await evaluate(await load('model.pt'), data.validation, { metrics: [metrics.topK(3), 'perplexity'] })
 * console.log(Object.keys(judged)) // [ 'loss', 'accuracy', 'top3', 'perplexity' ]
 * ```
 */
export const metrics = {
  topK,
  perplexity,
  meanIoU,
  r2,
  /** See {@link ErrorRateOptions}. */
  errorRate,
} as const

/** @internal */
export const METRICS = list<MetricName | Metric>(
  either(
    `${NAMES.map((name) => `'${name}'`).join(', ')} or a metric, such as metrics.topK(3)`,
    oneOf(...NAMES),
    like<Metric>('a metric', { name: text(), better: oneOf('higher', 'lower'), judge: func() }),
  ),
  'a list of metrics',
)

export const metricOf = (metric: MetricName | Metric): Metric => (typeof metric === 'string' ? NAMED[metric] : metric)
