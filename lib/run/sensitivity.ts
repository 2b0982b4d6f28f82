import { EspalierError } from '../base/errors.js'
import { count, func, like, list, maybe, number, object, signature, thing } from '../base/schema/index.js'
import type { Analysis, ChannelGroup } from '../groups/index.js'
import { groupL2, type Importance } from '../importance/index.js'
import { IMPORTANCE } from '../importance/types.js'
import { floorOf } from '../plan/ranking.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import type { ModuleInput, ScriptModule } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS } from '../torch/module-calls.js'
import { DATASET, type Dataset } from '../train/data/dataset.js'
import { isLabelled } from '../train/data/labelled.js'
import { type EvaluateOptions, type Evaluation, evaluate } from '../train/evaluate.js'
import { dropBetween, OBJECTIVE_ENTRIES } from '../train/objective.js'
import { Prunable } from './prunable.js'

/** How good a model is when a part of one group is gone. */
export interface SensitivityPoint {
  group: number
  /** The part of the group's units that was asked for, in (0, 1). */
  ratio: number
  /** How many went: the weakest. */
  units: number
  /** What was lost, as `maxDrop` of {@link sparsify} counts it; below 0 where something was won. */
  drop: number
  evaluation: Evaluation
}

/** What {@link sensitivity} found. */
export interface Sensitivity {
  analysis: Analysis
  /** Of the whole model. */
  before: Evaluation
  /** By group, ratios rising. */
  points: readonly SensitivityPoint[]
}

/** Options of {@link sensitivity}. */
export interface SensitivityOptions extends EvaluateOptions {
  /** What the graph is recorded on: one for each input of the model. */
  inputs: readonly ModuleInput[]
  /** What the model is judged on. Where it has no targets, the model as it is says what is right: the metric is `agreement`. */
  data: Dataset
  /** Parts of a group that are taken away, each above 0 and below 1; 0.25, 0.5 and 0.75 by default. */
  ratios?: readonly number[] | undefined
  /** Groups by id; all by default. */
  groups?: readonly number[] | undefined
  /** Which units of a group are the weakest; {@link groupL2} by default. */
  importance?: Importance | undefined
  /** Points that were measured before, of the same model, data and options: they are not measured again. None by default. */
  known?: readonly SensitivityPoint[] | undefined
  /** Is given each point that was measured, and how many are to be measured, without those that were known. Nothing by default. */
  onPoint?: ((point: SensitivityPoint, of: number) => void) | undefined
}

/** A loss may be infinite where a group was needed. */
const ANY_NUMBER = thing<number>('a number', (value) => typeof value === 'number')

/** @internal */
export const SENSITIVITY = signature(
  'sensitivity',
  ['model', MODULE],
  [
    'options',
    object<SensitivityOptions>({
      ...OBJECTIVE_ENTRIES,
      inputs: EXAMPLE_INPUTS,
      data: DATASET,
      ratios: maybe(list(number({ above: 0, below: 1 }), 'a list of numbers above 0 and below 1')),
      groups: maybe(list(count(0), 'a list of group ids')),
      importance: maybe(IMPORTANCE),
      batchSize: maybe(count()),
      known: maybe(
        list(
          like<SensitivityPoint>('a point', {
            ...{ group: count(0), ratio: number(), units: count(0), drop: ANY_NUMBER },
            evaluation: like<Evaluation>('an evaluation', { loss: ANY_NUMBER }),
          }),
          'a list of points',
        ),
      ),
      onPoint: maybe(func<NonNullable<SensitivityOptions['onPoint']>>()),
      signal: RUN_ENTRIES.signal,
    }),
  ],
)
/** @internal */
export const RATIOS_WITHIN = signature(
  'ratiosWithin',
  ['found', like<Sensitivity>('what sensitivity() found', { points: list(like('a point', {}), 'a list of points') })],
  ['drop', number()],
)

const RATIOS = [0.25, 0.5, 0.75]

/**
 * How much each group matters: the model without the weakest part of one group at a time, judged on data, for several parts. It takes
 * `groups x ratios` cuts and evaluations; nothing is trained. The model given stays as it is.
 *
 * Source: Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017), section 3.2.
 *
 * @throws EspalierError ERR_INVALID_ARGUMENT, also for a group that isn't there; ERR_UNSUPPORTED when the graph holds what can't be
 *   recorded; ERR_NOT_FINITE; ERR_ABORTED
 * @example
 * ```ts
 * import { load, prune, sensitivity, Tensor } from 'espalier'
 * import { ratiosWithin } from 'espalier/analysis'
 * import { data } from './data.js'
 *
 * const model = await load('model.pt')
 * const inputs = [Tensor.zeros([1, 3, 8, 8])]
 * const found = await sensitivity(model, { inputs, data: data.validation, loss: 'cross-entropy' })
 * for (const { group, ratio, units } of found.points) console.log(group, ratio, units)
 * // 0 0.25 1
 * // 0 0.5 2
 * // 0 0.75 3
 * const { small } = await prune(model, { inputs, ratio: ratiosWithin(found, 1) })
 * console.log(small.parameters().get('conv.weight')!.shape) // [ 1, 3, 3, 3 ]
 * ```
 */
export async function sensitivity(model: ScriptModule, options: SensitivityOptions): Promise<Sensitivity> {
  SENSITIVITY.check(model, options)
  const { inputs, data, ratios = RATIOS, known = [], onPoint, importance = groupL2(), signal } = options
  using prunable = await Prunable.of(model, { inputs, signal })
  const { analysis } = prunable
  const groups = groupsOf(analysis, options.groups)
  const judged = await judgedBy(options, prunable.model)
  const before = await evaluate(prunable.model, data, judged)
  const scores = await prunable.score(importance, { signal })
  const rising = [...new Set(ratios)].sort((a, b) => a - b)
  const knownAt = (id: number, ratio: number) => known.find((point) => point.group === id && point.ratio === ratio)
  const missing = groups.flatMap(({ id }) => rising.filter((ratio) => knownAt(id, ratio) === undefined)).length
  const points: SensitivityPoint[] = []
  for (const { id, size } of groups) {
    for (const ratio of rising) {
      const again = knownAt(id, ratio)
      const point = again ?? (await measured(id, ratio, weakest(scores.get(id) as ArrayLike<number>, ratio, size)))
      points.push(point)
      if (again === undefined) onPoint?.(point, missing)
    }
  }
  return { analysis, before, points }

  async function measured(group: number, ratio: number, units: readonly number[]): Promise<SensitivityPoint> {
    if (units.length === 0) return { group, ratio, units: 0, drop: 0, evaluation: before }
    using cut = await prunable.trialCut(prunable.planWithout([{ group, units }]), { signal })
    const evaluation = await evaluate(cut, data, judged)
    return { group, ratio, units: units.length, drop: dropBetween(before, evaluation, judged), evaluation }
  }
}

/**
 * The most that can go of each group before more than `drop` is lost, of what was measured: an option `ratio` for {@link prune}. Each
 * group is judged alone; together they lose more.
 *
 * @param drop as the points have it: with accuracy 0.01 is a point in a hundred
 * @throws EspalierError ERR_INVALID_ARGUMENT
 * @example
 * ```ts
 * import { load, sensitivity, Tensor } from 'espalier'
 * import { ratiosWithin } from 'espalier/analysis'
 * import { data } from './data.js'
 *
 * const options = { inputs: [Tensor.zeros([1, 3, 8, 8])], data: data.validation, ratios: [0.5] }
 * const found = await sensitivity(await load('model.pt'), options)
 * console.log(found.analysis.groups.map(ratiosWithin(found, 1))) // [ 0.5 ]
 * ```
 */
export function ratiosWithin(found: Sensitivity, drop: number): (group: ChannelGroup) => number {
  RATIOS_WITHIN.check(found, drop)
  return ({ id }) => {
    const own = found.points.filter(({ group }) => group === id)
    const first = own.findIndex((point) => !(point.drop <= drop))
    return own[(first < 0 ? own.length : first) - 1]?.ratio ?? 0
  }
}

/** @throws ERR_INVALID_ARGUMENT */
function groupsOf({ groups }: Analysis, ids: readonly number[] | undefined): readonly ChannelGroup[] {
  const missing = ids?.find((id) => groups[id] === undefined)
  if (missing !== undefined) {
    const words = `there is no group ${missing}: they are 0 to ${groups.length - 1}`
    throw new EspalierError('ERR_INVALID_ARGUMENT', words, { hint: 'espalier inspect lists them.' })
  }
  return ids === undefined ? groups : ids.map((id) => groups[id] as ChannelGroup)
}

/** Without targets the model as it is says what is right. */
async function judgedBy(
  { loss, output, classAxis, metrics, teacher, batchSize, signal, data }: SensitivityOptions,
  whole: ScriptModule,
): Promise<EvaluateOptions> {
  const shared = { loss, output, classAxis, batchSize, signal }
  const labelled = await isLabelled(data, signal)
  if (labelled || teacher !== undefined) return { ...shared, metrics, teacher }
  return { ...shared, metrics: metrics ?? ['agreement'], teacher: whole }
}

/** One unit stays in any case. */
function weakest(scores: ArrayLike<number>, ratio: number, size: number): number[] {
  const order = Array.from({ length: size }, (_, unit) => unit).sort((a, b) => scores[a]! - scores[b]! || a - b)
  return order.slice(0, Math.min(floorOf(ratio, size), size - 1)).sort((a, b) => a - b)
}
