import { Random } from '../../base/random.js'
import type { OpRecord, ValueId } from '../../groups/index.js'
import { run, type ScriptModule, Tensor } from '../../torch/index.js'
import { type Role, rolesOf } from './roles.js'

/** How the elements of a tensor are drawn: uniform in [low, high]. */
type Range = readonly [low: number, high: number]

/** Zero-initialised scales and 1e-6 layer scales must not hide a branch, nor large weights saturate what follows. */
const RANGES: Readonly<Record<Exclude<Role['kind'], 'weight'>, Range>> = {
  scale: [0.5, 1.5],
  shift: [-0.5, 0.5],
  variance: [0.5, 2],
  table: [-1, 1],
}

/** One way to refill a model. */
export interface Refill {
  seed: number
  /** Factor of what products of matrices and convolutions take: below 1 where sigmoids saturate. */
  gain: number
}

/**
 * Refills every floating parameter and statistic from a seed, in place, by what it is used as: weights by their fan-in (so that
 * outputs have the size of inputs), scales around 1, biases and means around 0, variances in [0.5, 2]. Other buffers stay.
 */
export async function refill(model: ScriptModule, record: OpRecord, { seed, gain }: Refill): Promise<void> {
  const random = new Random(seed)
  const tensors = new Map([...model.parameters(), ...model.buffers()])
  const filled: Tensor[] = []
  const program: { op: string; args: Tensor[] }[] = []
  for (const [id, role] of rolesOf(record)) {
    const target = tensors.get(nameOf(record, id))
    if (!target) continue
    const [low, high] = role.kind === 'weight' ? byFanIn(role.fanIn, gain) : RANGES[role.kind]
    const data = new Float64Array(target.numel)
    for (let i = 0; i < data.length; i++) data[i] = low + (high - low) * random.uniform()
    const source = Tensor.from(data, target.shape, { device: target.device })
    filled.push(source)
    program.push({ op: 'aten::copy_', args: [target, source] })
  }
  try {
    await run(program, { returns: [] })
  } finally {
    for (const tensor of filled) tensor.dispose()
  }
}

/** Variance gain^2 / fanIn. */
function byFanIn(fanIn: number, gain: number): Range {
  const bound = gain * Math.sqrt(3 / fanIn)
  return [-bound, bound]
}

function nameOf(record: OpRecord, id: ValueId): string {
  const value = record.values[id]
  return (value?.kind === 'tensor' && value.names?.[0]) || ''
}
