import { describes } from '../base/describe.js'
import { EspalierError } from '../base/errors.js'
import { count, func, maybe, number, object, shown, signature } from '../base/schema/index.js'

/** Where a phase of training is. */
export interface Progress {
  /** Optimizer steps so far in this phase, from 0. */
  iteration: number
  /** Optimizer steps of the whole phase. */
  iterations: number
  /** From 0. */
  epoch: number
  epochs: number
}

/** A learning rate schedule: the factor on the optimizer's learning rate for the step that comes next. */
export type LrSchedule = (progress: Progress) => number

/** @internal */
export const SCHEDULE = func<LrSchedule>('a schedule, such as cosine()')

/** @internal The factor of a schedule, which may be the caller's own. */
export function factorOf(schedule: LrSchedule, progress: Progress): number {
  const factor: unknown = schedule(progress)
  if (typeof factor === 'number' && factor >= 0 && factor < Infinity) return factor
  const hint = typeof factor === 'function' ? `Call it: ${schedule.name}(…)` : undefined
  const message = `'schedule' must give a number of at least 0, not ${shown(factor)}`
  throw new EspalierError('ERR_INVALID_ARGUMENT', message, { hint })
}

/** @internal */
export const LARGEST_FACTOR = signature(
  'largestFactor',
  ['schedule', SCHEDULE],
  ['epochs', count()],
  ['iterations', count(0)],
)

/** The learning rate as it is. */
export const constant = (): LrSchedule => describes(() => 1, { name: 'constant' })

/** Options of {@link lr.cosine}. */
export interface CosineOptions {
  /** Last factor, in [0, 1]; 0 by default. */
  floor?: number | undefined
  /** Part of the phase at 1 before the descent, in [0, 1); 0 by default. */
  hold?: number | undefined
  /** Part of the phase before that in which the factor rises in a line from 0, in [0, 1); 0 by default. With `hold` below 1. */
  warmup?: number | undefined
}

/** @internal */
export const COSINE = signature('cosine', [
  'options',
  object<CosineOptions>({
    floor: maybe(number({ min: 0, max: 1 })),
    hold: maybe(number({ min: 0, below: 1 })),
    warmup: maybe(number({ min: 0, below: 1 })),
  }),
])

/**
 * From 1 down to `floor` along half a cosine, step by step.
 *
 * Source: Loshchilov and Hutter, SGDR (ICLR 2017), eq. 5, without restarts.
 *
 * @throws ERR_INVALID_ARGUMENT for an option out of its range
 */
export function cosine(options: CosineOptions = {}): LrSchedule {
  COSINE.check(options)
  const { floor = 0, hold = 0, warmup = 0 } = options
  const flat = warmup + hold
  if (flat >= 1) {
    throw new EspalierError('ERR_INVALID_ARGUMENT', `cosine: 'warmup' and 'hold' together must be below 1, not ${flat}`)
  }
  const factor: LrSchedule = ({ iteration, iterations }) => {
    if (iteration < warmup * iterations) return (iteration + 1) / (warmup * iterations + 1)
    const way = Math.max(0, iteration / iterations - flat) / (1 - flat)
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * way))) / 2
  }
  return describes(factor, { name: 'cosine', floor, hold, ...(warmup > 0 && { warmup }) })
}

/** Options of {@link lr.step}. */
export interface StepOptions {
  /** Epochs, 1 or more. */
  every: number
  /** 0 or more; 0.1 by default. */
  gamma?: number | undefined
}

/** @internal */
export const STEP = signature('step', [
  'options',
  object<StepOptions>({ every: count(), gamma: maybe(number({ min: 0 })) }),
])

/** Times `gamma` after every `every` epochs. */
export function step(options: StepOptions): LrSchedule {
  STEP.check(options)
  const { every, gamma = 0.1 } = options
  const factor: LrSchedule = ({ epoch }) => gamma ** Math.floor(epoch / every)
  return describes(factor, { name: 'step', every, gamma })
}

/**
 * The largest factor that a schedule gives in a phase.
 *
 * @param epochs 1 or more
 * @param iterations optimizer steps of the whole phase
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { lr } from 'espalier'
 * import { largestFactor } from 'espalier/analysis'
 *
 * console.log(largestFactor(lr.cosine(), 10, 100)) // 1
 * ```
 */
export function largestFactor(schedule: LrSchedule, epochs: number, iterations: number): number {
  LARGEST_FACTOR.check(schedule, epochs, iterations)
  let largest = 0
  const perEpoch = iterations / epochs
  for (let iteration = 0; iteration < iterations; iteration++) {
    const progress = { iteration, iterations, epoch: Math.floor(iteration / perEpoch), epochs }
    largest = Math.max(largest, factorOf(schedule, progress))
  }
  return largest
}

/**
 * Learning rate schedules: each gives the factor on the optimizer's learning rate for the step that comes next.
 *
 * @example
 * ```ts
 * import { lr } from 'espalier'
 *
 * const [late, middle] = [{ epoch: 9, epochs: 10 }, { epoch: 5, epochs: 10 }]
 * const held = lr.cosine({ hold: 0.6, floor: 0.05 })
 * console.log(held({ ...middle, iteration: 50, iterations: 100 })) // 1
 * console.log(held({ ...late, iteration: 100, iterations: 100 })) // 0.05
 * console.log(lr.step({ every: 5 })({ ...middle, iteration: 50, iterations: 100 })) // 0.1
 * console.log(lr.constant()({ ...late, iteration: 90, iterations: 100 })) // 1
 * ```
 */
export const lr = {
  constant,
  /** See {@link CosineOptions}. */
  cosine,
  /** See {@link StepOptions}. */
  step,
} as const
