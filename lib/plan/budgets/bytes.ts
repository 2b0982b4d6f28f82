import { countBytes } from '../../measure/bytes.js'
import type { Budget } from './budget.js'
import { BYTES } from './target.js'

/** Bytes of parameters and buffers: see {@link countBytes}. */
export const bytes: Budget = {
  name: 'bytes',
  label: 'bytes of weights',
  unit: BYTES,
  cost: countBytes,
  monotone: true,
}
