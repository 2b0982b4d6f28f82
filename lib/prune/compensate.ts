import { type Analysis, flatArgs, type OpEntry, type ValueId } from '../graph/index.js'
import { ANALYSIS } from '../graph/schemas.js'
import { object, signature, thing } from '../schema/index.js'
import { RUN_ENTRIES } from '../torch/abort.js'
import { type ModuleInput, type Recording, run, type ScriptModule, scope, Tensor } from '../torch/index.js'
import { EXAMPLE_INPUTS, MODULE } from '../torch/module.js'
import { RECORDING } from '../torch/recording.js'
import type { Plan } from './plan.js'
import { PLAN } from './schemas.js'

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

export interface CompensationJob {
  /** The model before the cut, in eval mode, of which `recording` and `analysis` are. */
  model: ScriptModule
  /** The model after it. It is changed or replaced: go on with the one that is returned. */
  small: ScriptModule
  recording: Recording
  analysis: Analysis
  plan: Plan
  exampleInputs: readonly ModuleInput[]
  /** Inputs of the model to measure on, batch after batch. */
  data: AsyncIterable<readonly ModuleInput[]>
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
    exampleInputs: EXAMPLE_INPUTS,
    data: thing<AsyncIterable<readonly ModuleInput[]>>('batches of inputs: an async iterable', (value) => {
      return typeof (value as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator] === 'function'
    }),
    signal: RUN_ENTRIES.signal,
  }),
])

/** A consumer of removed channels, before anything is measured. */
interface Consumer {
  op: OpEntry
  weight: string
  /** Along its input: the dimension of the channels. */
  place: { node: number; input: number; dim: number }
  removed: readonly number[]
  /** Outputs that stay. */
  kept: readonly number[]
  padded: boolean
  into: Compensation['into']
  name?: string
}

/** Compensations, with what is added to each output of the full consumer. */
interface Shift extends Consumer {
  exact: boolean
  add: Float64Array
}

/** Operators that take channels in, and how many dimensions of their input follow the channels. */
const CONSUMERS: Readonly<Record<string, { after: number | undefined }>> = {
  'aten::linear': { after: 0 },
  'aten::conv1d': { after: 1 },
  'aten::conv2d': { after: 2 },
  'aten::conv3d': { after: 3 },
  // As many as the kernel has.
  'aten::_convolution': { after: undefined },
  'aten::_convolution_mode': { after: undefined },
}

/** A constant channel: its spread is this part of its size. */
const CONSTANT = 1e-6

/**
 * Folds what removed channels still emit into their consumers. A channel that was driven to zero before a batch norm gives
 * a constant, `relu(beta - gamma * mean / std)`, which the cut takes away; its mean over calibration data, times the
 * consumer's weights, is added to the consumer's bias instead, or taken from the mean of the batch norm that follows, or
 * becomes a new bias. That is exact where the channel is constant and every window sees it (no zero padding), else an
 * approximation. Consumers are linear layers and ungrouped convolutions; others are left as they are, as are those that
 * would need a new bias where methods beside `forward` were cut along.
 *
 * @throws EspalierError ERR_TORCH when the model does not run on the data; ERR_ABORTED
 */
export async function compensate(
  job: CompensationJob,
): Promise<{ small: ScriptModule; compensations: Compensation[] }> {
  COMPENSATE.check(job)
  const { small, analysis, plan } = job
  const consumers = consumersOf(analysis, plan).filter(({ into }) => into !== 'new-bias' || mayHaveNewBias(small))
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
        )
        return { op: 'aten::add_.Tensor', args: [target, values, into === 'bias' ? 1 : -1] }
      })
    await run(program, { returns: [] })
  })
  return {
    small: await withNewBiases(job, shifts),
    compensations: shifts.map(({ op, weight, into, name, exact, add }) => ({
      ...{ scope: op.scope, weight, into, exact },
      ...(name === undefined ? {} : { name }),
      largest: add.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    })),
  }
}

function consumersOf(analysis: Analysis, plan: Plan): Consumer[] {
  const { ops, values } = analysis.record
  const runs = ops.filter((op) => !op.speculative && CONSUMERS[op.name] !== undefined)
  const uses = new Map<ValueId, OpEntry[]>()
  // Operators that only ask for a shape change nothing of the value.
  const computes = (op: OpEntry) => op.outputs.flatMap(flatArgs).some((id) => values[id]?.kind === 'tensor')
  for (const op of ops.filter(computes)) {
    for (const id of new Set(op.inputs.flatMap(flatArgs))) uses.set(id, [...(uses.get(id) ?? []), op])
  }
  const tensor = (op: OpEntry, argument: string) => {
    const id = op.inputs[op.argNames.indexOf(argument)]
    const value = typeof id === 'number' ? values[id] : undefined
    return value?.kind === 'tensor' ? { id: id as ValueId, value } : undefined
  }
  const number = (op: OpEntry, argument: string): unknown => {
    const id = op.inputs[op.argNames.indexOf(argument)]
    const value = typeof id === 'number' ? values[id] : undefined
    return value === undefined || value.kind === 'tensor' ? undefined : value.value
  }
  return runs.flatMap((op): Consumer[] => {
    const [input, weight, bias] = ['input', 'weight', 'bias'].map((argument) => tensor(op, argument))
    const name = weight?.value.names?.[0]
    // A weight that several operators read would need a constant for each.
    if (!input || !weight || name === undefined || uses.get(weight.id)?.length !== 1) return []
    const [outputs = 0, inputs = 0, ...kernel] = weight.value.shape
    const after = CONSUMERS[op.name]!.after ?? kernel.length
    if (number(op, 'transposed') === true || (op.argNames.includes('groups') && number(op, 'groups') !== 1)) return []
    const stays = new Set(plan.keep[name]?.[1] ?? range(inputs))
    const removed = range(inputs).filter((column) => !stays.has(column))
    if (removed.length === 0) return []
    const consumer = {
      ...{ op, weight: name, removed, kept: plan.keep[name]?.[0] ?? range(outputs), padded: isPadded(op, values) },
      place: { node: op.node, input: op.inputs.indexOf(input.id), dim: input.value.shape.length - 1 - after },
    }
    const own = bias?.value.names?.[0]
    if (bias !== undefined) {
      return own !== undefined && uses.get(bias.id)?.length === 1 ? [{ ...consumer, into: 'bias', name: own }] : []
    }
    const [norm, ...others] = uses.get(op.outputs[0] as ValueId) ?? []
    const mean = norm?.name === 'aten::batch_norm' && others.length === 0 ? tensor(norm, 'running_mean') : undefined
    const buffer = mean?.value.names?.[0]
    if (mean !== undefined && buffer !== undefined && uses.get(mean.id)?.length === 1) {
      return [{ ...consumer, into: 'norm-mean', name: buffer }]
    }
    // A constant of the graph is made in float32.
    return weight.value.dtype === 'float32' ? [{ ...consumer, into: 'new-bias' }] : []
  })
}

/** Whether some window of a convolution meets zeros around its input. */
function isPadded(op: OpEntry, values: Analysis['record']['values']): boolean {
  const position = op.argNames.indexOf('padding')
  if (position < 0) return false
  return flatArgs(op.inputs[position]!).some((id) => {
    const value = values[id]
    return value === undefined || value.kind === 'tensor' || !(value.value === 0 || value.value === 'valid')
  })
}

/** Runs the full model on the data, and multiplies what the removed channels emit with the consumers' weights. */
async function measure(job: CompensationJob, consumers: readonly Consumer[]): Promise<Shift[]> {
  const { model, recording, data, signal } = job
  if (consumers.length === 0) return []
  const sums = consumers.map(() => ({ mean: new Float64Array(0), spread: new Float64Array(0) }))
  let batches = 0
  for await (const inputs of data) {
    const seen = await model.observe(
      recording,
      inputs,
      consumers.map(({ place }) => place),
      { signal },
    )
    seen.forEach((one, k) => {
      if (one === null) return
      const own = sums[k]!
      const first = own.mean.length === 0
      // Between batches a constant has the same mean: its distance counts as spread.
      own.spread = one.spread.map((s, c) =>
        first ? s : Math.max(own.spread[c]!, s, Math.abs(one.mean[c]! - own.mean[c]! / batches)),
      )
      own.mean = one.mean.map((m, c) => m + (first ? 0 : own.mean[c]!))
    })
    batches++
  }
  const parameters = model.parameters()
  return consumers.flatMap((consumer, k): Shift[] => {
    const { mean, spread } = sums[k]!
    if (mean.length === 0) return []
    const weight = parameters.get(consumer.weight) as Tensor
    const [outputs = 0, inputs = 0] = weight.shape
    const taps = weight.numel / (outputs * inputs)
    const w = weight.data() as Float32Array
    const add = new Float64Array(outputs)
    for (let row = 0; row < outputs; row++) {
      for (const column of consumer.removed) {
        const start = (row * inputs + column) * taps
        for (let tap = 0; tap < taps; tap++) add[row]! += (w[start + tap]! * mean[column]!) / batches
      }
    }
    const constant = consumer.removed.every((c) => spread[c]! <= CONSTANT * Math.max(1, Math.abs(mean[c]! / batches)))
    return [{ ...consumer, add, exact: constant && !consumer.padded }]
  })
}

/** A constant of `forward` would not reach the other methods that compute with the same weights. */
const mayHaveNewBias = (small: ScriptModule) => (small.interface?.methods.cut.length ?? 0) === 0

/** Gives consumers without a bias one, as a constant of the graph. */
async function withNewBiases(
  { small, exampleInputs, signal }: CompensationJob,
  shifts: readonly Shift[],
): Promise<ScriptModule> {
  const missing = new Map(shifts.filter(({ into }) => into === 'new-bias').map((shift) => [shift.weight, shift]))
  if (missing.size === 0) return small
  const own = await small.record(exampleInputs, { signal })
  try {
    const constants = own.record.ops.flatMap((op) => {
      const id = op.inputs[op.argNames.indexOf('weight')]
      const value = typeof id === 'number' ? own.record.values[id] : undefined
      const shift = value?.kind === 'tensor' ? missing.get(value.names?.[0] ?? '') : undefined
      if (shift === undefined || op.speculative) return []
      const data = Float32Array.from(shift.kept, (row) => shift.add[row]!)
      return [{ node: op.node, input: op.argNames.indexOf('bias'), value: { shape: [data.length], data } }]
    })
    const changed = await small.cut(own, { slices: [], constants, scaled: [], rewrites: [] }, { signal })
    small.dispose()
    return changed
  } finally {
    own.dispose()
  }
}

const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i)
