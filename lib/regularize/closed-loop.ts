/** Growth that looks at what it does: faster while held-out accuracy stays, at a halt while it is gone. */
import { count, maybe, number, object } from '../base/schema/index.js'
import type { Moment } from './schedule.js'

/** Growth that waits for held-out accuracy. */
export interface ClosedLoopOptions {
  /** How much the measure of `validate` may fall below its value at the start, 0 or more; 0.01 by default. */
  slack?: number | undefined
  /** Growth steps between two measurements, 1 or more; 5 by default. */
  checkEvery?: number | undefined
  /** A step is never more than this many times the schedule's own, 1 or more; 8 by default. */
  most?: number | undefined
}

/** @internal */
export const CLOSED_LOOP = object<ClosedLoopOptions>({
  slack: maybe(number({ min: 0 })),
  checkEvery: maybe(count()),
  most: maybe(number({ min: 1 })),
})

/** What the loop remembers: plain data. */
export interface LoopMemory {
  /** Held-out measure before any growth; `null` before the first look. */
  base: number | null
  /** Factor on a growth step; 0 while growth is at a halt. */
  speed: number
}

export interface ClosedLoop {
  readonly start: LoopMemory
  look(memory: LoopMemory, moment: Moment): Promise<LoopMemory>
}

/** @internal The options with their defaults. */
export const filledIn = ({ slack = 0.01, checkEvery = 5, most = 8 }: ClosedLoopOptions) => ({ slack, checkEvery, most })

/** Doubles the speed at each look within the slack, stops the growth outside of it. Without options: speed 1 always. */
export function closedLoop(options: ClosedLoopOptions | undefined): ClosedLoop {
  const start: LoopMemory = { base: null, speed: 1 }
  if (options === undefined) return { start, look: async (memory) => memory }
  const { slack, checkEvery, most } = filledIn(options)
  return {
    start,
    async look(memory, moment) {
      if (memory.base === null) return { base: await moment.validate(), speed: 1 }
      if (moment.updates % checkEvery !== 0) return memory
      const inside = (await moment.validate()) >= memory.base - slack
      return { ...memory, speed: inside ? Math.min(most, Math.max(1, 2 * memory.speed)) : 0 }
    },
  }
}
