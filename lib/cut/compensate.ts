import { object, signature } from '../base/schema/index.js'
import type { Analysis } from '../groups/index.js'
import { ANALYSIS } from '../groups/schemas.js'
import type { Plan } from '../plan/plan.js'
import { PLAN } from '../plan/schemas.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import { type ModuleInput, type Recording, run, type ScriptModule, scope, Tensor } from '../torch/index.js'
import { MODULE } from '../torch/module.js'
import { EXAMPLE_INPUTS, INPUT_BATCHES } from '../torch/module-calls.js'
import { observeBatches } from '../torch/observe.js'
import { RECORDING } from '../torch/recording.js'
import { type Consumer, consumersOf } from './consumers.js'

/** What the removed channels of one consumer still emitted, and where it went. */
export interface Compensation {
  /** Module path of the consumer. */
  scope: string
  /** Its weight. */
  weight: string
  /** A bias of the consumer, the mean of the batch norm after it, or a bias that the consumer did not have before. */
  into: 'bias' | 'norm-mean' | 'new-bias'
  /** Name of the bias or mean; absent for a new bias, which is a constant of the graph. */
  name?: string
  /** Whether nothing is lost: the channels were constant in all data, and no window met zero padding. */
  exact: boolean
  /** Largest change of an output of the consumer. */
  largest: number
}

/** A consumer that lost channels and was left as it is. */
export interface Uncompensated {
  /** Module path of the consumer. */
  scope: string
  operator: string
  reason: string
}

/** What {@link compensate} works on. */
export interface CompensationJob {
  /** The model before the cut, in eval mode, of which `recording` and `analysis` are. */
  model: ScriptModule
  /** The model after it. It is changed or replaced: go on with the one that is returned. */
  small: ScriptModule
  /** Of `model.record(inputs)`. */
  recording: Recording
  /** Of the recording's record. */
  analysis: Analysis
  /** By which `small` was cut. */
  plan: Plan
  /** Those that the recording was made with. */
  inputs: readonly ModuleInput[]
  /** Inputs of the model to measure on, batch after batch. */
  data: AsyncIterable<readonly ModuleInput[]>
  /** Ends the work, with ERR_ABORTED; none by default. */
  signal?: AbortSignal | undefined
}

/** @internal */
export const COMPENSATE = signature('compensate', [
  'options',
  object<CompensationJob>({
    model: MODULE,
    small: MODULE,
    recording: RECORDING,
    analysis: ANALYSIS,
    plan: PLAN,
    inputs: EXAMPLE_INPUTS,
    data: INPUT_BATCHES,
    signal: RUN_ENTRIES.signal,
  }),
])

/** Compensations, with what is added to each output of the full consumer. */
interface Shift extends Consumer {
  exact: boolean
  add: Float64Array
  /** What the scale of a weight norm is multiplied by, since the rows that it divides by their length are shorter now. */
  rescale: Float64Array
}

/** A constant channel: its spread is this part of its size. */
const CONSTANT = 1e-6

/**
 * Folds what removed channels still emit into their consumers. A channel that was driven to zero before a batch norm gives
 * a constant, `relu(beta - gamma * mean / std)`, which the cut takes away; its mean over calibration data, times the
 * consumer's weights, is added to the consumer's bias instead, or taken from the mean of the batch norm that follows, or
 * becomes a new bias. That is exact where the channel is constant and every window sees it (no zero padding), else an
 * approximation. Consumers are linear layers and ungrouped convolutions; under a weight norm their scale is put right, too,
 * since the cut makes their rows shorter. Others are left as they are, and named in `uncompensated`, as are those that would
 * need a new bias where methods beside `forward` were cut along. Without a batch of data nothing is done.
 * {@link Prunable.compensate} is the same in a line.
 *
 * @throws EspalierError ERR_TORCH when the model does not run on the data; ERR_ABORTED
 * @example
 * ```ts
 * import { batches, groupL2, load, Tensor } from 'espalier'
 * import { analyse, compensate, cutAndVerify, importanceContext, makePlan } from 'espalier/analysis'
 * import { data } from './data.js'
 *
 * const [model, inputs] = [await load('model.pt'), [Tensor.zeros([1, 3, 8, 8])]]
 * const recording = await model.record(inputs)
 * const analysis = analyse(recording.record)
 * const scores = await groupL2()(importanceContext({ model, groups: analysis }))
 * const plan = makePlan(analysis, scores, { ratio: 0.5 })
 * const cut = await cutAndVerify(model, recording, analysis, plan, inputs)
 * async function* calibration() {
 *   for await (const batch of batches(data.train)) yield batch.inputs
 * }
 * const job = { model, small: cut.small, recording, analysis, plan, inputs, data: calibration() }
 * const { small, compensations } = await compensate(job)
 * console.log(compensations.map(({ weight, into }) => `${weight}: ${into}`)) // [ 'fc.weight: bias' ]
 * await small.save('model-small.pt')
 * ```
 */
export async function compensate(
  job: CompensationJob,
): Promise<{ small: ScriptModule; compensations: Compensation[]; uncompensated: Uncompensated[] }> {
  COMPENSATE.check(job)
  const { small, analysis, plan } = job
  const found = consumersOf(analysis, plan)
  const consumers = found.consumers.filter(({ into }) => into !== 'new-bias' || mayHaveNewBias(small))
  const barred = found.consumers.filter((consumer) => !consumers.includes(consumer))
  const reason = 'a new bias would not reach the other methods that were cut along'
  const left = barred.map(({ op }) => ({ scope: op.scope, operator: op.name, reason }))
  const uncompensated = [...found.uncompensated, ...left]
  const shifts = await measure(job, consumers)
  const tensors = new Map([...small.parameters(), ...small.buffers()])
  await scope(async () => {
    const program = shifts
      .filter(({ into }) => into !== 'new-bias')
      .map(({ name, into, add, kept }) => {
        const target = tensors.get(name as string) as Tensor
        const values = Tensor.from(
          Float32Array.from(kept, (row) => add[row]!),
          [kept.length],
          { device: target.device },
        )
        return { op: 'aten::add_.Tensor', args: [target, values, into === 'bias' ? 1 : -1] }
      })
    const scales = shifts.flatMap(({ scale, rescale, kept }) => {
      if (scale === undefined) return []
      const target = tensors.get(scale) as Tensor
      const factors = Float32Array.from(kept, (row) => rescale[row]!)
      return [{ op: 'aten::mul_.Tensor', args: [target, Tensor.from(factors, target.shape)] }]
    })
    await run([...program, ...scales], { returns: [] })
  })
  return {
    small: await withNewBiases(job, shifts),
    uncompensated,
    compensations: shifts.map(({ op, weight, into, name, exact, add }) => ({
      ...{ scope: op.scope, weight, into, exact },
      ...(name === undefined ? {} : { name }),
      largest: add.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    })),
  }
}

/** Runs the full model on the data, and multiplies what the removed channels emit with the consumers' weights. */
async function measure(job: CompensationJob, consumers: readonly Consumer[]): Promise<Shift[]> {
  const { model, recording, data, signal } = job
  if (consumers.length === 0) return []
  const places = consumers.map(({ place }) => place)
  const seen = await observeBatches(model, recording, data, places, { signal })
  const parameters = model.parameters()
  return consumers.flatMap((consumer, k): Shift[] => {
    const own = seen[k]
    if (!own) return []
    const { mean, spread } = own
    const weight = parameters.get(consumer.weight) as Tensor
    const [outputs = 0, inputs = 0] = weight.shape
    const taps = weight.numel / (outputs * inputs)
    const w = weight.data() as Float32Array
    const g = consumer.scale === undefined ? undefined : (parameters.get(consumer.scale) as Tensor).data()
    const rescale = new Float64Array(outputs).fill(1)
    const add = new Float64Array(outputs)
    for (let row = 0; row < outputs; row++) {
      let [sum, gone] = [0, 0]
      for (const column of consumer.removed) {
        const start = (row * inputs + column) * taps
        for (let tap = 0; tap < taps; tap++) {
          sum += w[start + tap]! * mean[column]!
          gone += w[start + tap]! ** 2
        }
      }
      add[row] = sum
      if (g === undefined) continue
      const whole = w.subarray(row * inputs * taps, (row + 1) * inputs * taps).reduce((all, x) => all + x ** 2, 0)
      add[row] = whole === 0 ? 0 : (sum * Number(g[row])) / Math.sqrt(whole)
      if (whole > 0) rescale[row] = Math.sqrt(Math.max(0, 1 - gone / whole))
    }
    const constant = consumer.removed.every((c) => spread[c]! <= CONSTANT * Math.max(1, Math.abs(mean[c]!)))
    return [{ ...consumer, add, rescale, exact: constant && !consumer.padded }]
  })
}

/** A constant of `forward` would not reach the other methods that compute with the same weights. */
const mayHaveNewBias = (small: ScriptModule) => (small.interface?.methods.cut.length ?? 0) === 0

/** Gives consumers without a bias one, as a constant of the graph. */
async function withNewBiases(
  { small, inputs, signal }: CompensationJob,
  shifts: readonly Shift[],
): Promise<ScriptModule> {
  const missing = new Map(shifts.filter(({ into }) => into === 'new-bias').map((shift) => [shift.weight, shift]))
  if (missing.size === 0) return small
  const own = await small.record(inputs, { signal })
  try {
    const constants = own.record.ops.flatMap((op) => {
      const id = op.inputs[op.argNames.indexOf('weight')]
      const value = typeof id === 'number' ? own.record.values[id] : undefined
      const shift = value?.kind === 'tensor' ? missing.get(value.names?.[0] ?? '') : undefined
      if (shift === undefined || op.speculative) return []
      const data = Float32Array.from(shift.kept, (row) => shift.add[row]!)
      return [{ node: op.node, input: op.argNames.indexOf('bias'), value: { shape: [data.length], data } }]
    })
    const changed = await small.cut(own, { constants }, { signal })
    small.dispose()
    return changed
  } finally {
    own.dispose()
  }
}
