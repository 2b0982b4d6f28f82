import type { Description } from '../base/describe.js'
import { given } from '../base/given.js'
import type { Plan } from '../cut/index.js'
import type { Scores } from '../importance/index.js'
import { inTurns } from '../measure/latency.js'
import type { OptimizerState } from '../optim/optimizer.js'
import { type Asked, askedOf } from '../plan/budgets/index.js'
import type { LeaveOptions } from '../plan/leave.js'
import type { Regularizer, RegularizerState } from '../regularize/index.js'
import type { ScriptModule } from '../torch/index.js'
import { largestStepping, phaseLength } from '../train/index.js'
import { type LatencyReport, missed } from './aim.js'
import { type Held, heldOf, NOTHING_CUT, warningOf, withheldOf } from './at-the-cut.js'
import type { Resumed } from './checkpoint.js'
import { CALIBRATION_BATCHES, calibrationBatches, DEFAULT_REGULARIZER } from './job.js'
import { Prunable, type PrunableOptions, planFor } from './prunable.js'
import { budgetOf, carriedOn, disposeState, Shrinking } from './rounds.js'
import type { Phases } from './settings.js'
import type { RunEvent, SparsifyOptions } from './types.js'
import type { Sparse, Work } from './work.js'

/** What a round leaves. */
interface Rounded {
  plan: Plan
  regularizer: RegularizerState
  held: readonly Held[]
  optimizer: OptimizerState | undefined
}

/** What goes on in the next round. */
interface Carried {
  optimizer: OptimizerState | undefined
  reg: RegularizerState['reg']
}

/** The regularized phase and the cut, in as many rounds as are asked for: `work.model` is the small one afterwards. */
export async function* shrink(
  work: Work,
  given: ScriptModule,
  resumed: Resumed | undefined,
  loss: Description,
): AsyncGenerator<RunEvent, Sparse, void> {
  const { inputs, methods, norms, rounds = 1, onProgress, signal } = work.options
  const { round: first = 1, before: gone = [] } = resumed?.state ?? {}
  const whole = gone.length === 0 ? work.model : (await given.clone({ signal })).eval()
  const prunable = await owned(work, whole, { inputs, methods, norms, signal })
  const network = new Shrinking(prunable, gone)
  try {
    yield { kind: 'analysis', analysis: prunable.analysis }
    yield* aim(work, prunable, network)
    if (resumed === undefined) yield* work.measure('before')
    let carried: Carried | undefined
    for (let round = first; round < rounds; round++) {
      const from = round === first ? resumed : undefined
      const { plan, regularizer, optimizer } = yield* oneRound(work, prunable, network, { round, loss, from, carried })
      const cut = await prunable.cut(plan, { signal, onProgress, ...aroundOf(work) })
      const along = network.cutTo(plan, work.model)
      carried = { optimizer: optimizer && along.optimizer(optimizer), reg: along.reg(regularizer.reg) }
      disposeState(optimizer)
      replace(work, cut.small, prunable)
      await work.fromFile()
      yield { kind: 'round', round, rounds, plan }
    }
    const from = first === rounds ? resumed : undefined
    const { plan, regularizer, held } = yield* oneRound(work, prunable, network, { round: rounds, loss, from, carried })
    return yield* lastCut(work, prunable, plan, regularizer, held)
  } finally {
    // Until it is cut the copy in training is the caller's, whatever happens.
    if (work.model === prunable.model) prunable.release()
    else prunable.dispose()
  }
}

/** The whole network, which may be the module in work, or a copy. */
async function owned(work: Work, whole: ScriptModule, options: PrunableOptions): Promise<Prunable> {
  try {
    return await Prunable.owning(whole, options)
  } catch (error) {
    if (whole !== work.model) whole.dispose()
    throw error
  }
}

/** Plans, and trains until what goes has given way. */
async function* oneRound(
  work: Work,
  prunable: Prunable,
  network: Shrinking,
  {
    round,
    loss,
    from,
    carried,
  }: { round: number; loss: Description; from: Resumed | undefined; carried: Carried | undefined },
): AsyncGenerator<RunEvent, Rounded, void> {
  const { regularizer: factory = DEFAULT_REGULARIZER, signal } = work.options
  // A plan is made in any case, so that a budget that can't be met is refused before the training.
  const first =
    from === undefined ? await planOf(work, prunable, network, round) : prunable.planWithout(from.state.removed)
  if (factory.picks === 'start') yield { kind: 'plan', plan: first }
  if (work.phases === undefined) {
    const { rounds = 1 } = work.options
    // The last cut must be possible, too, and is what learning rates are tried on.
    const last = from === undefined && round < rounds ? await planOf(work, prunable, network, rounds) : first
    yield* work.settleOn(loss, () => prunable.trialCut(last, { signal, ...aroundOf(work) }))
  }
  const regularizer = await attach(work, prunable, network, round, first, from?.state.regularizer, carried?.reg)
  let optimizer: OptimizerState | undefined
  let held: Held[] = []
  try {
    const known = { analysis: prunable.analysis, plan: first, round, before: network.removed }
    const start = from?.train ?? (carried?.optimizer && { optimizer: carried.optimizer })
    const phase = (work.phases as Phases).sparse
    optimizer = yield* work.train('sparse', phase, known, regularizer, start)
    held = heldOf(await regularizer.observe()).map(({ group, units }) => network.whole([{ group, units }], false)[0]!)
    const warning = warningOf(held)
    if (warning !== undefined) work.options.onWarning?.(warning)
  } finally {
    regularizer.dispose()
    disposeState(carried?.optimizer)
  }
  const { state } = regularizer
  if (work.model !== prunable.model) network.carryBack(work.model)
  if (round === (work.options.rounds ?? 1)) yield* work.measure('regularized')
  if (factory.picks === 'start') return { plan: first, regularizer: state, held, optimizer }
  const plan = state.removed
    ? prunable.planWithout(network.whole(state.removed))
    : await planOf(work, prunable, network, round)
  yield { kind: 'plan', plan }
  return { plan, regularizer: state, held, optimizer }
}

/** The last cut, its proof, and what it lost. */
async function* lastCut(
  work: Work,
  prunable: Prunable,
  plan: Plan,
  regularizer: RegularizerState,
  held: readonly Held[],
): AsyncGenerator<RunEvent, Sparse, void> {
  const { compensate, maxDrop, onProgress, signal } = work.options
  const { analysis } = prunable
  yield { kind: 'cutting' }
  const trained = work.model
  const cut = await prunable.cut(plan, { signal, onProgress, ...aroundOf(work) })
  work.model = cut.small
  yield { kind: 'cut', verification: cut.verification }
  yield* work.measure('cut')
  const withheld = withheldOf(cut.plan, maxDrop, work.evaluations, work.objective)
  if (withheld !== undefined) {
    cut.small.dispose()
    work.model = trained
    yield { kind: 'withheld', withheld }
    const none = { verification: { passes: [] }, interface: NOTHING_CUT }
    return { analysis, plan: prunable.planWithout([]), ...none, regularizer, held, withheld }
  }
  yield* timed(work, prunable, cut.small)
  if (trained !== prunable.model) trained.dispose()
  if (compensate) {
    const data = work.calibration(calibrationBatches(compensate))
    const { small, ...rest } = await prunable.compensate(cut, data, { signal })
    work.model = small
    yield { kind: 'compensated', ...rest }
    yield* work.measure('compensated')
  }
  const { verification, interface: report } = cut
  const { latency } = work
  return { analysis, plan: cut.plan, verification, interface: report, regularizer, held, ...given({ latency }) }
}

const aroundOf = ({
  options: { dropMethods, dropUnreached },
}: Work): Pick<SparsifyOptions, 'dropMethods' | 'dropUnreached'> => ({
  dropMethods,
  dropUnreached,
})

function replace(work: Work, small: ScriptModule, prunable: Prunable): void {
  if (work.model !== prunable.model) work.model.dispose()
  work.model = small
}

/** For a round: what is cut already goes first. */
async function planOf(work: Work, prunable: Prunable, network: Shrinking, round: number): Promise<Plan> {
  const { budget, rounds = 1 } = work.options
  const { timings } = work
  return prunable.plan(await scoresOf(work, prunable, network), {
    ...plannedBy(work),
    budget: budgetOf(prunable.analysis, budget, round, rounds, { timings }),
    timings,
  })
}

const plannedBy = ({ options: { minKeep, keep, ignore } }: Work): LeaveOptions & { minKeep: number | undefined } => ({
  ...{ minKeep, keep, ignore },
})

async function scoresOf(work: Work, prunable: Prunable, network: Shrinking): Promise<Scores> {
  const { importance, signal } = work.options
  if (work.model !== prunable.model) network.carryBack(work.model)
  const data = work.calibration(CALIBRATION_BATCHES)
  return network.withCut(await prunable.score(importance, { data, signal }))
}

/** What operators take is measured before the training, as far as plans of what a budget of latency asks for need it. */
async function* aim(work: Work, prunable: Prunable, network: Shrinking): AsyncGenerator<RunEvent, void, void> {
  const { budget, signal } = work.options
  if (budget.latency === undefined) return
  const options = { ...plannedBy(work), budget }
  const found = await planFor(prunable, await scoresOf(work, prunable, network), options, { signal })
  work.timings = found.timings
  work.latency = found.latency
  yield { kind: 'latency', latency: found.latency as LatencyReport }
}

/** The cut itself, in turns with what was cut. */
async function* timed(work: Work, prunable: Prunable, small: ScriptModule): AsyncGenerator<RunEvent, void, void> {
  const { budget, inputs, signal, onWarning } = work.options
  if (work.latency === undefined || work.timings === undefined) return
  const real = await inTurns(prunable.model, small, inputs, { signal })
  const [asked] = askedOf(
    prunable.analysis,
    { latency: budget.latency },
    { timings: { ...work.timings, whole: real[0] } },
  )
  work.latency = { ...work.latency, asked: (asked as Asked).limit, real }
  yield { kind: 'latency', latency: work.latency }
  const warning = missed(work.latency)
  if (warning !== undefined) onWarning?.(warning)
}

function attach(
  work: Work,
  prunable: Prunable,
  network: Shrinking,
  round: number,
  plan: Plan,
  state: RegularizerState | undefined,
  reg: RegularizerState['reg'] | undefined,
): Promise<Regularizer> {
  const options = work.trainOptions((work.phases as Phases).sparse)
  const { signal } = work.options
  const factory = work.options.regularizer ?? DEFAULT_REGULARIZER
  const context = {
    model: work.model,
    groups: network.groups,
    removed: network.local(plan.removed),
    pick: async () => network.local((await planOf(work, prunable, network, round)).removed),
    validate: work.validate(),
    observe: prunable.observing(work.calibration(CALIBRATION_BATCHES), { signal }),
    iterations: phaseLength(options),
    stepping: largestStepping(options),
    onWarning: work.options.onWarning,
  }
  return carriedOn(factory, context, state, reg)
}
