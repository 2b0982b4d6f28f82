import { countSize } from '../../measure/count.js'
import type { Budget } from './budget.js'

/** Elements of parameters, tied ones once: see {@link countSize}. */
export const params: Budget = {
  name: 'params',
  label: 'parameters',
  cost: (analysis, removed) => countSize(analysis, removed).params,
  monotone: true,
}
