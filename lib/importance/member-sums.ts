/** Sums over the slices of each unit, member by member: natively where the weights are tensors, else here. */

import type { Member } from '../groups/groups.js'
import { type OpCall, run, scope, Tensor } from '../torch/index.js'
import { sumPerCoordinate, type WeightSource } from './weights.js'

/** Members of one group. */
export interface Counted {
  /** Units of the group. */
  units: number
  members: readonly Member[]
}

/**
 * Of |w|^`power`, in float64; of weights on a GPU the sums of one tensor are in float32. All members are read in one job of the
 * native thread: each parameter once for a power of 1 or 2, whatever groups meet in it.
 *
 * @param power above 0
 * @returns by list and member: one sum per unit
 */
export async function memberSums(
  lists: readonly Counted[],
  weights: WeightSource,
  power: number,
  signal?: AbortSignal,
): Promise<Float64Array[][]> {
  const { tensor } = weights
  return tensor === undefined ? plainSums(lists, weights, power) : nativeSums(lists, tensor, power, signal)
}

const powerOf = (power: number): ((w: number) => number) => {
  if (power === 1) return Math.abs
  return power === 2 ? (w) => w * w : (w) => Math.abs(w) ** power
}

/** A weight's dimension can be shared by several groups (a concatenation): it is summed up once. */
function plainSums(lists: readonly Counted[], weights: WeightSource, power: number): Float64Array[][] {
  const known = new Map<string, Float64Array>()
  const value = powerOf(power)
  return lists.map(({ units, members }) =>
    members.map(({ name, dim, coords, units: of }) => {
      const key = `${dim}:${name}`
      const perCoordinate = known.get(key) ?? sumPerCoordinate(weights(name), dim, value)
      known.set(key, perCoordinate)
      const sums = new Float64Array(units)
      for (let k = 0; k < coords.length; k++) sums[of[k]!]! += perCoordinate[coords[k]!]!
      return sums
    }),
  )
}

/** A member, and where in the result of its call its sums begin. */
interface Place {
  units: number
  member: Member
  call: number
  first: number
}

async function nativeSums(
  lists: readonly Counted[],
  tensorOf: (name: string) => Tensor,
  power: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array[][]> {
  // The operator reads |w| and w²; another power is made first, of one parameter at a time.
  const whole = power === 1 || power === 2
  const calls = new Map<string, Call>()
  const places = lists.map(({ units, members }) =>
    members.map((member): Place => {
      const key = whole ? '' : member.name
      const call = calls.get(key) ?? new Call(calls.size)
      calls.set(key, call)
      return { units, member, call: call.number, first: call.add(member, units, tensorOf) }
    }),
  )
  if (calls.size === 0) return places.map(() => [])
  const sums = await scope(async () => {
    const program = [...calls.values()].flatMap((call) => (whole ? call.sums(power) : call.powers(power)))
    const each = whole ? 1 : POWER_CALLS
    const returns = Array.from(calls.keys(), (_, k) => each * (k + 1) - 1)
    const results = await run(program, { returns, signal })
    return results.map((result) => (result as Tensor).data() as Float64Array)
  })
  return places.map((own) => own.map(({ units, call, first }) => sums[call]!.slice(first, first + units)))
}

/** How many calls a power other than 1 and 2 takes. */
const POWER_CALLS = 4

/** Parameters that one call reads, with the slices that are summed up. */
class Call {
  readonly number: number
  readonly #numbers = new Map<string, number>()
  readonly #tensors: Tensor[] = []
  readonly #members: { member: Member; tensor: number; first: number }[] = []
  #rows = 0
  #slices = 0

  constructor(number: number) {
    this.number = number
  }

  /** Where the member's sums begin. */
  add(member: Member, units: number, tensorOf: (name: string) => Tensor): number {
    let tensor = this.#numbers.get(member.name)
    if (tensor === undefined) {
      tensor = this.#tensors.push(tensorOf(member.name)) - 1
      this.#numbers.set(member.name, tensor)
    }
    const first = this.#rows
    this.#members.push({ member, tensor, first })
    this.#rows += units
    this.#slices += member.coords.length
    return first
  }

  sums(power: number): OpCall[] {
    return [this.#norms(this.#tensors, power === 1 ? 'abs' : 'square')]
  }

  powers(power: number): OpCall[] {
    const [tensor] = this.#tensors as [Tensor]
    const at = POWER_CALLS * this.number
    // float32 has no room for high powers of small weights; the kernels of a GPU know nothing wider.
    const dtype = tensor.device === 'cpu' ? 'float64' : 'float32'
    return [
      { op: 'aten::to.dtype', args: [tensor, dtype] },
      { op: 'aten::abs', args: [{ result: at }] },
      { op: 'aten::pow.Tensor_Scalar', args: [{ result: at + 1 }, power] },
      this.#norms([{ result: at + 2 }], 'abs'),
    ]
  }

  #norms(tensors: OpCall['args'], norm: 'abs' | 'square'): OpCall {
    const table = Tensor.from(this.#table(), [this.#slices, 5])
    return { op: 'espalier::unit_norms', args: [tensors, table, this.#rows, norm] }
  }

  /** Tensor, dimension, coordinate, row, 1; for every slice. */
  #table(): Int32Array {
    const table = new Int32Array(5 * this.#slices)
    let at = 0
    for (const { member, tensor, first } of this.#members) {
      const { dim, coords, units } = member
      for (let k = 0; k < coords.length; k++) {
        table[at++] = tensor
        table[at++] = dim
        table[at++] = coords[k]!
        table[at++] = first + units[k]!
        table[at++] = 1
      }
    }
    return table
  }
}
