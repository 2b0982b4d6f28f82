/** Metrics as people read them. */

/** Metrics that are parts of all examples. */
const PARTS = /^(?:accuracy|agreement|top\d+|errorRate)$/

/** Losses with four digits, all else with four places behind the point. */
export const metricInWords = (name: string, value: number): string =>
  name === 'loss' ? value.toPrecision(4) : value.toFixed(4)

/** The same where there is room to read it: parts in percent. */
export const metricInFull = (name: string, value: number): string =>
  PARTS.test(name) ? `${(100 * value).toFixed(2)} %` : metricInWords(name, value)

/** `accuracy 0.9961, loss 0.01590`: in the order given. */
export const metricsInWords = (metrics: Readonly<Record<string, number | undefined>>): string =>
  Object.entries(metrics)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${metricInWords(name, value)}`]))
    .join(', ')

/** The same with the loss last: it tells least of how good a model is. */
export const evaluationInWords = ({ loss, ...metrics }: Readonly<Record<string, number | undefined>>): string =>
  metricsInWords({ ...metrics, loss })
