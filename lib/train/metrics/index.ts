import { accuracy } from './accuracy.js'
import type { Metric } from './metric.js'

/** All that an evaluation judges. */
export const METRICS = [accuracy] as const satisfies readonly Metric[]

/** What each metric gave, by its name. */
export type Judged = { [Name in (typeof METRICS)[number]['name']]?: number }
