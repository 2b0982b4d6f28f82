import { EspalierError } from '../base/errors.js'
import { count, maybe, number, object, signature } from '../base/schema/index.js'
import type { ChannelGroups } from '../groups/groups.js'
import { largestCoefficient } from './coefficients.js'
import { filled } from './reg.js'
import type { Growth, Moment } from './schedule.js'
import { scheduled } from './scheduled.js'
import type { RegularizerContext, RegularizerFactory } from './types.js'

/** Options of {@link fading}; none is needed. */
export interface FadingOptions {
  /** What is left of a unit, as a part of the mean size of its group's kept units, in (0, 1); 1e-4 by default. */
  rest?: number | undefined
  /** Part of the regularized phase in which the units fade, in (0, 1]; 0.6 by default. Then they are held where they are. */
  fraction?: number | undefined
  /** Optimizer steps between two looks at the sizes, 1 or more; by default there are about 60 looks while the units fade. */
  updateEvery?: number | undefined
}

/** @internal */
export const FADING = signature('fading', [
  'options',
  object<FadingOptions>({
    rest: maybe(number({ above: 0, below: 1 })),
    fraction: maybe(number({ above: 0, max: 1 })),
    updateEvery: maybe(count()),
  }),
])

/** What the control remembers: plain data, by group and unit. Sizes are roots of the summed squares of a unit's weights. */
interface Memory {
  /** Sizes when the fading began; none before. */
  start?: readonly (readonly number[])[]
  /** Sizes at the last look, and the factor by which the penalty shrank a unit in each step since then. */
  last?: readonly (readonly number[])[]
  factors?: readonly (readonly number[])[]
}

/** No step takes more than this part of a weight, whatever groups meet in it: it could be twice as long and still be stable. */
const MOST = 0.5
/** The exponent of the unit that goes last. */
const SLOWEST = 1.5
/** Looks at the sizes while the units fade, where nothing else is asked for. */
const LOOKS = 60

/**
 * Fades the units that are to go: whatever the optimizer, its learning rate and schedule, the batch size and the length of the
 * phase, each of them has a size of `rest` times its group's kept mean when `fraction` of the phase is over, and is held there.
 * So there is no strength to tune, and nothing left to lose at the cut. The units are chosen at the start.
 *
 * The penalty is that of {@link greg1}, `reg * w` on every slice of a chosen unit, decoupled from the optimizer's moments:
 * `w -= lr * reg * w`. A weight loses the part `lr * reg` of itself in a step, so `reg` follows from the size that is wanted,
 * the size that is measured, the learning rate, and what training itself did to the unit since the last look:
 *
 *     size(t) = start^(1 - a) * (rest * kept)^a,   a = min(1, t / (fraction * phase))^(3/2 - s)
 *     s = (max I - I) / (max I - min I + 1e-8)
 *     lr * reg = 1 - (size(t + n) / measured)^(1/n) / push
 *
 * with `I` the size at the start among the group's chosen units, so that the weakest go first, `n = updateEvery`, and `push` the
 * factor per step by which the unit grew against the penalty. Of `lr * reg` all groups that meet in one weight have 1/2 together, at
 * most.
 *
 * @throws ERR_INVALID_ARGUMENT for an option out of its range; when attached without chosen units, or for a phase that is too short,
 *   with the steps that it needs
 * @example
 * ```ts
 * import { adamw, fading, load, sparsify, Tensor } from 'espalier'
 * import { data } from './data.js'
 *
 * const { regularizer } = await sparsify(await load('model.pt'), {
 *   inputs: [Tensor.zeros([1, 3, 8, 8])],
 *   data,
 *   loss: 'cross-entropy',
 *   budget: { macs: 0.5 },
 *   regularizer: fading(),
 *   sparse: { epochs: 40, optimizer: adamw() },
 * })
 * console.log(regularizer.stage) // stabilize
 * ```
 */
export function fading(options: FadingOptions = {}): RegularizerFactory {
  FADING.check(options)
  const { rest = 1e-4, fraction = 0.6 } = options
  const steps = ({ iterations }: RegularizerContext): number => fraction * iterations
  const updateEvery = (context: RegularizerContext): number =>
    options.updateEvery ?? Math.max(1, Math.round(steps(context) / LOOKS))

  return scheduled<Memory>({
    ...{ name: 'fading', picks: 'start', updateEvery, coupling: 'decoupled' },
    description: { name: 'fading', rest, fraction, updateEvery: options.updateEvery ?? null },
    start(context) {
      const { groups, removed } = context
      if (removed === undefined) {
        const words = "fading needs the units to remove: pass 'removed', a plan's choice"
        throw new EspalierError('ERR_INVALID_ARGUMENT', words)
      }
      // Those that go last are still on their way where the phase is just long enough, and arrive after it.
      const needed = Math.ceil(Math.log(rest) / Math.log(1 - mostOf(context))) + updateEvery(context)
      if (steps(context) < needed) {
        const words = `the phase has ${context.iterations} optimizer steps, fading needs ${Math.ceil(needed / fraction)} at least`
        throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'More epochs, or smaller batches.' })
      }
      return { reg: filled(groups, 0), stage: 'push', removed, memory: {} }
    },
    async grow(before, moment) {
      const { context, lr } = moment
      if (lr === undefined) {
        throw new EspalierError(
          'ERR_INVALID_ARGUMENT',
          'fading needs the learning rate of each step: apply({ lr }), or advance({ lr })',
        )
      }
      // A step of no length moves nothing, whatever the penalty is.
      if (lr === 0) return before
      const [every, most] = [updateEvery(context), mostOf(context)]
      const done = Math.min(1, (moment.iteration + every) / steps(context))
      const sizes = await sizesNow(moment)
      const start = before.memory.start ?? sizes
      const factors = sizes.map((ofGroup) => ofGroup.map(() => 1))
      for (const { group, units } of before.removed ?? []) {
        const goal = rest * keptMean(sizes[group]!, units)
        const paces = pacesOf(units.map((unit) => start[group]![unit]!))
        for (const [k, unit] of units.entries()) {
          const [size, first] = [sizes[group]![unit]!, start[group]![unit]!]
          const way = done ** paces[k]!
          const target = Math.min(first, first ** (1 - way) * goal ** way)
          const wanted = (target / size) ** (1 / every) / pushOn(before, group, unit, size, every)
          // A unit that is zero stays so.
          factors[group]![unit] = Math.min(1, Math.max(1 - most, size > 0 ? wanted : 1))
        }
      }
      return {
        ...before,
        reg: factors.map((ofGroup) => Float32Array.from(ofGroup, (factor) => (1 - factor) / lr)),
        stage: done < 1 ? 'push' : 'stabilize',
        memory: { start, last: sizes, factors },
      }
    },
    // It is made stable by itself, for the learning rate of the moment.
    highest: ({ groups }) => filled(groups, 0),
  })
}

/** When each unit goes on its way, as the exponent of the time: from 1/2 for the weakest to 3/2. */
function pacesOf(sizes: readonly number[]): number[] {
  const [most, least] = [Math.max(...sizes), Math.min(...sizes)]
  return sizes.map((size) => SLOWEST - (most - size) / (most - least + 1e-8))
}

/** How many groups meet in one weight, at most; asked at each look at the sizes. */
const meetings = new WeakMap<ChannelGroups, number>()

/** The largest part of a weight that the penalty of one unit may take in a step. */
function mostOf({ groups }: RegularizerContext): number {
  const most = meetings.get(groups) ?? Math.max(1, largestCoefficient(groups, filled(groups, 1)))
  meetings.set(groups, most)
  return MOST / most
}

const sizesNow = async (moment: Moment): Promise<number[][]> =>
  (await moment.sums('square')).map((ofGroup) => Array.from(ofGroup, Math.sqrt))

function keptMean(sizes: readonly number[], removed: readonly number[]): number {
  const gone = new Set(removed)
  const kept = sizes.filter((_, unit) => !gone.has(unit))
  return kept.reduce((a, b) => a + b, 0) / kept.length
}

/** The factor by which training alone made a unit grow in each step since the last look; 1 where it shrank. */
function pushOn({ memory }: Growth<Memory>, group: number, unit: number, size: number, every: number): number {
  const [last, factor] = [memory.last?.[group]?.[unit] ?? 0, memory.factors?.[group]?.[unit] ?? 1]
  return last > 0 ? Math.max(1, (size / last) ** (1 / every) / factor) : 1
}
