import { accuracy } from './accuracy.js'
import type { Metric } from './metric.js'

/** All that an evaluation judges. */
export const METRICS: readonly Metric[] = [accuracy]
