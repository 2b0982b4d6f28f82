import { countSize } from '../../measure/count.js'
import type { Budget } from './budget.js'
import { COUNT } from './target.js'

/** Elements of parameters, tied ones once: see {@link countSize}. */
export const params: Budget = {
  name: 'params',
  label: 'parameters',
  unit: COUNT,
  cost: (analysis, removed) => countSize(analysis, removed).params,
  monotone: true,
}
