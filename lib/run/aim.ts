import type { Plan } from '../cut/index.js'
import type { Analysis, ChannelGroup } from '../groups/index.js'
import { Forecast, LANES, type Timings } from '../measure/forecast.js'
import { askedOf, type BudgetOption } from '../plan/budgets/index.js'
import { TIME } from '../plan/budgets/target.js'
import { makePlan, removedUnits } from '../plan/plan.js'

/** A cut that was tried. */
export interface Tried {
  /** Milliseconds of its operators, by their keys. */
  operators: Readonly<Record<string, number>>
  /** Milliseconds of a forward pass of the whole model and of the cut one, in turns. */
  real: readonly [number, number]
}

/** Makes a cut, for a trial, and measures it; without a plan, the whole model. */
export type Try = (plan: Plan | undefined) => Promise<Tried>

/** What became of a budget of latency. All in milliseconds of a forward pass on the example inputs. */
export interface LatencyReport {
  /** What was asked for. */
  asked: number
  /** Foretold for the plan, by its operators. */
  predicted: number
  /** Of the whole model and of the cut one, medians, measured in turns. */
  real: readonly [number, number]
  /** How many plans were cut and measured. */
  trials: number
}

/** A plan that was tried, and what it was made by. */
export interface Aimed {
  plan: Plan
  timings: Timings
  latency: LatencyReport
}

/** Parts of every group that stay in the cuts at whose widths operators are measured; of odd and of even widths. */
const SAMPLES = [
  { part: 0.75, even: true },
  { part: 0.5, even: true },
  { part: 0.25, even: true },
  { part: 0.1, even: true },
  { part: 0.7, even: false },
  { part: 0.4, even: false },
]

/** A cut is near enough that takes this much of what was asked for. */
const [NEAR, OVER] = [0.95, 1.02]
/** Beyond this it is told. */
const TOLERATED = 1.05
/** So many plans are tried. */
const TRIALS = 5

/** What operators take at several widths. */
export async function sampled(analysis: Analysis, attempt: Try): Promise<Timings> {
  const whole = await attempt(undefined)
  let operators = { ...whole.operators }
  const samples: Timings['samples'][number][] = [[]]
  const scores = new Map(analysis.groups.map(({ id, size }) => [id, Array.from({ length: size }, (_, unit) => unit)]))
  for (const sample of SAMPLES) {
    const ratio = (group: ChannelGroup): number | undefined => ratioOf(group, sample)
    const plan = makePlan(analysis, scores, { ratio })
    if (plan.removed.length === 0) continue
    operators = { ...(await attempt(plan)).operators, ...operators }
    samples.push(plan.removed)
  }
  const timings = { whole: whole.real[0], operators, samples, scale: 1 }
  return { ...timings, scale: whole.real[0] / new Forecast(analysis, timings).sum(new Uint8Array(0)) }
}

function ratioOf({ size, kind }: ChannelGroup, { part, even }: (typeof SAMPLES)[number]): number | undefined {
  if (kind === 'heads' || kind === 'conv-groups') return undefined
  const stay = part * size
  const width = size < 2 * LANES ? Math.round(stay) : Math.max(LANES, LANES * Math.round(stay / LANES)) - (even ? 0 : 1)
  return width >= size || width < 1 ? 0 : 1 - width / size
}

/**
 * Finds the plan whose cut takes as long as a budget asks for: it is made by what its operators are foretold to take, cut for a trial,
 * and measured in turns with the whole model. Where that is off, what was measured of its own operators and of the whole of it goes into
 * the forecast, and another plan is made.
 *
 * @param make a plan within the budget, by what was measured so far
 * @throws ERR_BUDGET with the best possible, by the forecast
 */
export async function aimed(
  analysis: Analysis,
  budget: BudgetOption,
  make: (timings: Timings) => Plan,
  attempt: Try,
): Promise<Aimed> {
  let timings = await sampled(analysis, attempt)
  let best: Aimed | undefined
  const seen = new Set<string>()
  for (let trials = 1; trials <= TRIALS; trials++) {
    const plan = planOr(best, () => make(timings))
    if (plan === undefined) break
    const tried = await attempt(plan)
    const whole = tried.real[0]
    const [asked] = askedOf(analysis, { latency: budget.latency }, { timings: { ...timings, whole } })
    const latency = { asked: asked!.limit, predicted: plan.latency![1], real: tried.real, trials }
    if (best === undefined || missOf(latency) < missOf(best.latency)) best = { plan, timings, latency }
    best = { ...best, latency: { ...best.latency, trials } }
    const reached = latency.real[1] / latency.asked
    // Another budget may be the tighter one.
    const isLoose = reached < NEAR && plan.latency![1] < NEAR * asked!.limit
    const key = JSON.stringify(plan.removed)
    if ((reached >= NEAR && reached <= OVER) || (isLoose && trials > 1) || seen.has(key)) break
    seen.add(key)
    const operators = { ...timings.operators, ...tried.operators }
    const next = { ...timings, whole, operators }
    const sum = new Forecast(analysis, next).sum(removedUnits(analysis, plan))
    timings = { ...next, scale: tried.real[1] / sum }
  }
  return best as Aimed
}

/** What can't be met by the forecast may have been near enough before it was made again. */
function planOr(best: Aimed | undefined, make: () => Plan): Plan | undefined {
  try {
    return make()
  } catch (error) {
    if (best === undefined || (error as { code?: string }).code !== 'ERR_BUDGET') throw error
    return undefined
  }
}

/** What is told where a cut takes longer than was asked for; undefined where it doesn't. */
export function missed({ asked, real }: LatencyReport): string | undefined {
  if (real[1] <= TOLERATED * asked) return undefined
  const over = `${(100 * (real[1] / asked - 1)).toFixed(0)} %`
  return `a forward pass of the cut model takes ${TIME.show(real[1])}, ${over} more than the ${TIME.show(asked)} that were asked for`
}

/** How far a cut is from what was asked for; too slow is worse than too fast. */
function missOf({ asked, real }: LatencyReport): number {
  const off = Math.log(real[1] / asked)
  return off > 0 ? 2 * off : -off
}
