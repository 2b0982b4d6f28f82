import { flatArgs, type OpRecord, type TensorValue } from '../graph/index.js'
import { type OpArg, run, type ScriptModule, Tensor } from '../torch/index.js'
import { Random } from '../train/random.js'
import type { Plan } from './plan.js'

/**
 * Zeroes every slice that the plan removes, in place: producer rows and biases, affine parameters, consumer columns.
 * Buffers stay as they are, and so do directions of a weight norm. What is left computes what the cut model must compute.
 */
export async function zeroRemoved(model: ScriptModule, plan: Pick<Plan, 'keep' | 'directions'>): Promise<void> {
  const indices: Tensor[] = []
  try {
    const program = [...model.parameters()].flatMap(([name, parameter]) =>
      Object.entries(plan.keep[name] ?? {}).flatMap(([dim, kept]) => {
        if (plan.directions[name]?.includes(Number(dim))) return []
        const stays = new Set(kept)
        const gone = Array.from({ length: parameter.shape[Number(dim)] as number }, (_, i) => i).filter(
          (i) => !stays.has(i),
        )
        const index = Tensor.from(BigInt64Array.from(gone, BigInt), [gone.length])
        indices.push(index)
        return [{ op: 'aten::index_fill_.int_Scalar', args: [parameter, Number(dim), index, 0] }]
      }),
    )
    await run(program, { returns: [] })
  } finally {
    for (const index of indices) index.dispose()
  }
}

/**
 * Gives `target` the floating-point parameters and buffers of `source`, of which it may be a cut by `keep`.
 */
export async function copyKept(source: ScriptModule, target: ScriptModule, keep: Plan['keep']): Promise<void> {
  const from = new Map([...source.parameters(), ...source.buffers()])
  const indices: Tensor[] = []
  const done = new Set<Tensor>()
  const program: { op: string; args: OpArg[] }[] = []
  for (const [name, tensor] of [...target.parameters(), ...target.buffers()]) {
    const whole = from.get(name)
    if (!whole?.dtype.startsWith('float') || done.has(tensor)) continue
    done.add(tensor)
    let value: OpArg = whole
    for (const [dim, kept] of Object.entries(keep[name] ?? {})) {
      const index = Tensor.from(BigInt64Array.from(kept, BigInt), [kept.length])
      indices.push(index)
      program.push({ op: 'aten::index_select', args: [value, Number(dim), index] })
      value = { result: program.length - 1 }
    }
    program.push({ op: 'aten::copy_', args: [tensor, value] })
  }
  try {
    await run(program, { returns: [] })
  } finally {
    for (const index of indices) index.dispose()
  }
}

/** How the elements of a tensor are drawn: uniform in [low, high]. */
type Draw = (value: TensorValue) => readonly [number, number]

const fanIn: Draw = ({ shape }) => {
  const inputs = shape.slice(1).reduce((a, b) => a * b, 1)
  const bound = Math.sqrt(3 / inputs)
  return [-bound, bound]
}

/** By the argument that a parameter or buffer is. Zero-initialised scales and 1e-6 layer scales must not hide a branch. */
const DRAWS: Readonly<Record<string, Draw>> = {
  bias: () => [-0.5, 0.5],
  /** of a recurrent layer */
  params: () => [-0.5, 0.5],
  running_mean: () => [-0.5, 0.5],
  running_var: () => [0.5, 2],
}

/**
 * Refills every floating parameter and statistic from a seed, in place: fan-in-scaled weights, norm weights and other
 * scales in [0.5, 1.5], biases and means in [-0.5, 0.5], variances in [0.5, 2]. Other buffers stay.
 */
export async function refill(model: ScriptModule, record: OpRecord, seed: number): Promise<void> {
  const arguments_ = argumentNames(record)
  const random = new Random(seed)
  const tensors = new Map([...model.parameters(), ...model.buffers()])
  const filled: Tensor[] = []
  const program: { op: string; args: (Tensor | number)[] }[] = []
  record.values.forEach((value, id) => {
    if (value.kind !== 'tensor' || !value.dtype.startsWith('float')) return
    const argument = arguments_.get(id) ?? ''
    if (value.role === 'buffer' ? !argument.startsWith('running_') : value.role !== 'parameter') return
    const target = tensors.get(value.names?.[0] ?? '')
    if (!target) return
    const matrix = value.shape.filter((size) => size > 1).length > 1
    const [low, high] = (matrix ? fanIn : (DRAWS[argument] ?? (() => [0.5, 1.5] as const)))(value)
    const data = Float64Array.from({ length: target.numel }, () => low + (high - low) * random.uniform())
    const source = Tensor.from(data, target.shape)
    filled.push(source)
    program.push({ op: 'aten::copy_', args: [target, source] })
  })
  try {
    await run(program, { returns: [] })
  } finally {
    for (const tensor of filled) tensor.dispose()
  }
}

/** Name of the argument as which each value is first used. */
function argumentNames(record: OpRecord): Map<number, string> {
  const names = new Map<number, string>()
  for (const op of record.ops) {
    op.inputs.forEach((arg, i) => {
      for (const id of flatArgs(arg)) if (!names.has(id)) names.set(id, op.argNames[i] ?? '')
    })
  }
  return names
}
