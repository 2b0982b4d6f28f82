import { count, maybe, number, object } from '../base/schema/index.js'
import type { LoadLimits } from '../libtorch/binding.js'

export const LOAD_LIMITS = object<LoadLimits>(
  {
    entries: maybe(count()),
    inflated: maybe(count()),
    memory: maybe(count()),
    depth: maybe(number({ min: 1, max: 2000, integer: true })),
  },
  'an object of limits',
)
