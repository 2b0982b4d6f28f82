import { countSize } from '../../measure/count.js'
import type { Budget } from './budget.js'
import { COUNT } from './target.js'

/** Multiply-adds on the example inputs: see {@link countSize}. */
export const macs: Budget = {
  name: 'macs',
  label: 'MACs',
  unit: COUNT,
  cost: (analysis, removed) => countSize(analysis, removed).macs,
  monotone: true,
}
