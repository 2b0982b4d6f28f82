import { describes } from '../../base/describe.js'
import { Random } from '../../base/random.js'
import { maybe, number, object, signature } from '../../base/schema/index.js'
import type { WeightImportance } from '../types.js'

/** Options of {@link criteria.random}. */
export interface RandomCriterionOptions {
  /** An integer; 0 by default. */
  seed?: number | undefined
}

/** @internal */
export const RANDOM_CRITERION = signature('random', [
  'options',
  object<RandomCriterionOptions>({ seed: maybe(number({ integer: true })) }),
])

/**
 * A number in [0, 1) for each unit, by the seed alone: the same at each call. What a criterion has to be better than.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT
 */
export function random(options: RandomCriterionOptions = {}): WeightImportance {
  RANDOM_CRITERION.check(options)
  const { seed = 0 } = options
  const importance: WeightImportance = async ({ groups }) => {
    const numbers = new Random(seed)
    return new Map(
      groups.groups.map(({ id, size }) => [id, Float64Array.from({ length: size }, () => numbers.uniform())]),
    )
  }
  return describes(importance, { name: 'random', seed })
}
