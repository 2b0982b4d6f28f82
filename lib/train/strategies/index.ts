import type { WholePhase } from '../phase.js'
import { accumulate } from './accumulate.js'
import { scaled } from './scaled.js'
import type { StepStrategy } from './strategy.js'

/** Those that the options of a training ask for, the outermost first. */
export function strategiesOf({ microBatches, lossScale }: WholePhase): readonly StepStrategy[] {
  return [accumulate(microBatches), scaled(lossScale)]
}
