import { peakMemory } from '../../measure/memory.js'
import type { Budget } from './budget.js'
import { BYTES } from './target.js'

/** Bytes of the values that are alive at once, at most: see {@link peakMemory}. */
export const memory: Budget = {
  name: 'memory',
  label: 'peak memory of activations',
  unit: BYTES,
  cost: peakMemory,
  monotone: true,
}
