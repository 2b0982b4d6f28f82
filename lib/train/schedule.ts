import { atLeast, count, inRange } from '../options.js'

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

/** The learning rate as it is. */
export const constant = (): LrSchedule => () => 1

/**
 * From 1 down to `floor` along half a cosine, step by step.
 *
 * Source: Loshchilov and Hutter, SGDR (ICLR 2017), eq. 5, without restarts.
 *
 * @param options.floor last factor, in [0, 1]; 0 by default
 * @param options.hold part of the phase at 1 before the descent, in [0, 1); 0 by default
 */
export function cosine(options: { floor?: number | undefined; hold?: number | undefined } = {}): LrSchedule {
  const floor = inRange('floor', options.floor ?? 0, 0, 1)
  const hold = inRange('hold', options.hold ?? 0, 0, 1 - Number.EPSILON)
  return ({ iteration, iterations }) => {
    const way = Math.max(0, iteration / iterations - hold) / (1 - hold)
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * way))) / 2
  }
}

/**
 * Times `gamma` after every `every` epochs.
 *
 * @param options.every epochs, 1 or more
 * @param options.gamma 0 or more; 0.1 by default
 */
export function step(options: { every: number; gamma?: number | undefined }): LrSchedule {
  const every = count('every', options.every)
  const gamma = atLeast('gamma', options.gamma ?? 0.1, 0)
  return ({ epoch }) => gamma ** Math.floor(epoch / every)
}

/** The largest factor that a schedule gives in a phase. */
export function largestFactor(schedule: LrSchedule, epochs: number, iterations: number): number {
  let largest = 0
  const perEpoch = iterations / epochs
  for (let iteration = 0; iteration < iterations; iteration++) {
    largest = Math.max(largest, schedule({ iteration, iterations, epoch: Math.floor(iteration / perEpoch), epochs }))
  }
  return largest
}
