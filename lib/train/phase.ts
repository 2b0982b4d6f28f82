import { given } from '../base/given.js'
import { count, type Entries, flag, maybe, number } from '../base/schema/index.js'
import { OPTIMIZER, type OptimizerFactory } from '../optim/optimizer.js'
import { type LrSchedule, SCHEDULE } from '../optim/schedule.js'

/** What a training is, apart from the data and what it is for: `sparsify` takes one for each of its phases. */
export interface Phase {
  /** Such as `sgd({ lr: 0.1 })`. */
  optimizer: OptimizerFactory
  /**
   * `lr.constant()` by default. In `sparsify` `lr.cosine({ warmup: 0.1 })` in the fine-tuning, and
   * `lr.cosine({ hold: 0.6, floor: 0.05 })` in a regularized phase whose optimizer is named.
   */
  schedule?: LrSchedule | undefined
  /** 1 or more. */
  epochs: number
  /** 64 by default; the validation takes as many. */
  batchSize?: number | undefined
  /** Leave out a last batch that is not full; false by default. */
  dropLast?: boolean | undefined
  /**
   * Backward passes for one optimizer step, 1 or more; 1 by default. A batch is run in so many parts, one after the other, and the
   * step is that of the whole batch (but for batch norm, which sees a part): for batches that don't fit into memory.
   */
  microBatches?: number | undefined
  /** Largest L2 norm of all gradients together, above 0: longer ones are scaled down to it, before the penalty; none by default. */
  clipNorm?: number | undefined
  /** The loss is multiplied by this before, and the gradients divided by it after the backward pass; for float16. 1 by default. */
  lossScale?: number | undefined
}

/** What a phase is where it doesn't say; the schedule is the caller's. Checkpoints compare phases by these names. */
export const PHASE_DEFAULTS = { batchSize: 64, dropLast: false, microBatches: 1, clipNorm: null, lossScale: 1 } as const

/** @internal */
export const PHASE_ENTRIES: Entries<Phase> = {
  optimizer: OPTIMIZER,
  schedule: maybe(SCHEDULE),
  epochs: count(),
  batchSize: maybe(count()),
  dropLast: maybe(flag),
  microBatches: maybe(count()),
  clipNorm: maybe(number({ above: 0 })),
  lossScale: maybe(number({ above: 0 })),
}

/** A phase that names everything but its schedule. */
export type WholePhase = Phase & {
  [Option in keyof typeof PHASE_DEFAULTS]: NonNullable<Phase[Option]> | Default<Option>
}
type Default<Option extends keyof typeof PHASE_DEFAULTS> = Extract<(typeof PHASE_DEFAULTS)[Option], null>

/** Options of a phase, and others beside them, with the defaults of what they leave out. */
export function wholePhase<Options extends Phase>(options: Options): Options & WholePhase {
  return { ...PHASE_DEFAULTS, ...given(options) } as Options & WholePhase
}
