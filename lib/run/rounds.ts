import type { Plan, PlanOptions } from '../cut/index.js'
import type { Analysis, ChannelGroup } from '../groups/index.js'
import type { Scores } from '../importance/index.js'
import { carryState, expandTensors } from '../manifest/index.js'
import type { OptimizerState } from '../optim/optimizer.js'
import type { Known } from '../plan/budgets/budget.js'
import { partsOf } from '../plan/budgets/index.js'
import type {
  Regularizer,
  RegularizerContext,
  RegularizerFactory,
  RegularizerState,
  RemovedUnits,
} from '../regularize/types.js'
import { call, type ScriptModule, scope, type Tensor } from '../torch/index.js'
import type { Prunable } from './prunable.js'

type Budget = NonNullable<PlanOptions['budget']>

/** What may stay after a round: each takes the same part of what the one before left. The last one leaves what is asked for. */
export function budgetOf(analysis: Analysis, budget: Budget, round: number, rounds: number, known: Known = {}): Budget {
  if (round === rounds) return budget
  const parts = Object.entries(partsOf(analysis, budget, known)).map(([what, part]) => [what, part ** (round / rounds)])
  return Object.fromEntries(parts) as Budget
}

/**
 * A network from which units were cut already, and the whole one that it came from: plans, cuts and manifests are of the whole one, so
 * that each round's cut is a cut of the network that was given; what trains is the small one.
 */
export class Shrinking {
  readonly #prunable: Prunable
  #plan: Plan
  #groups: Analysis

  /** @param removed what is cut already */
  constructor(prunable: Prunable, removed: Plan['removed'] = []) {
    this.#prunable = prunable
    this.#plan = prunable.planWithout(removed)
    this.#groups = remaining(prunable.analysis, this.#plan)
  }

  /** What is cut already, in the numbers of the whole network. */
  get removed(): Plan['removed'] {
    return this.#plan.removed
  }

  /** Groups of the small network; they keep their ids. */
  get groups(): Analysis {
    return this.#groups
  }

  /** Units of the whole network as those of the small one, without those that are cut already. */
  local(units: Plan['removed']): RemovedUnits[] {
    const maps = this.#maps()
    return units.flatMap(({ group, units: chosen }) => {
      const left = chosen.map((unit) => maps[group]![unit]!).filter((unit) => unit >= 0)
      return left.length === 0 ? [] : [{ group, units: left }]
    })
  }

  /** Units of the small network, and those that are cut already, as those of the whole one. */
  whole(units: readonly RemovedUnits[], withCut = true): RemovedUnits[] {
    const chosen = new Map(units.map((each) => [each.group, new Set(each.units)]))
    return this.#maps().flatMap((map, group) => {
      const own = chosen.get(group)
      const all = [...map.keys()].filter((unit) => (map[unit]! < 0 ? withCut : own?.has(map[unit]!)))
      return all.length === 0 ? [] : [{ group, units: all }]
    })
  }

  /** Scores of the whole network, with those of what is cut below all others. */
  withCut(scores: Scores): Scores {
    if (this.removed.length === 0) return scores
    const least = Math.min(
      ...[...scores.values()].map((units) => Array.from(units).reduce((a, b) => Math.min(a, b), 0)),
    )
    const maps = this.#maps()
    return new Map(
      [...scores].map(([group, units]) => [
        group,
        Array.from(units, (score, unit) => (maps[group]![unit]! < 0 ? least - 1 : score)),
      ]),
    )
  }

  /** Puts the weights of the small network into the whole one: its other units are at zero. */
  carryBack(small: ScriptModule): void {
    const model = this.#prunable.model
    for (const [own, others] of [
      [model.parameters(), small.parameters()],
      [model.buffers(), small.buffers()],
    ] as const) {
      const sizes = Object.fromEntries([...own].map(([name, { shape }]) => [name, shape]))
      const known = new Map([...others].filter(([name]) => own.has(name)))
      scope(() => {
        const { keep, directions } = this.#plan
        for (const [name, tensor] of expandTensors({ keep, sizes, directions }, known)) {
          call('aten::copy_', [own.get(name)!, tensor], { noGrad: true })
          tensor.dispose()
        }
      })
    }
  }

  /**
   * Goes on to the cut of a plan.
   *
   * @param small as it was before that cut
   * @returns what takes the state of an optimizer, and the penalties of a regularizer, along
   */
  cutTo(
    plan: Plan,
    small: ScriptModule,
  ): { optimizer: (state: OptimizerState) => OptimizerState; reg: (reg: RegularizerState['reg']) => number[][] } {
    const [before, maps] = [this.#plan, this.#maps()]
    const sizes = Object.fromEntries([...small.parameters()].map(([name, { shape }]) => [name, shape]))
    this.#plan = plan
    this.#groups = remaining(this.#prunable.analysis, plan)
    const after = this.#maps()
    return {
      optimizer: (state) => carryState({ keep: between(before, plan), sizes }, state),
      reg: (reg) =>
        maps.map((map, group) => {
          const kept = [...map.keys()].filter((unit) => after[group]![unit]! >= 0)
          return kept.map((unit) => reg[group]![map[unit]!]!)
        }),
    }
  }

  /** By group: the number that each unit of the whole network has in the small one; -1 for one that is cut. */
  #maps(): Int32Array[] {
    return unitMaps(this.#prunable.analysis, this.#plan)
  }
}

function unitMaps({ groups }: Analysis, { removed }: Plan): Int32Array[] {
  const gone = new Map(removed.map(({ group, units }) => [group, new Set(units)]))
  return groups.map(({ id, size }) => {
    let next = 0
    return Int32Array.from({ length: size }, (_, unit) => (gone.get(id)?.has(unit) ? -1 : next++))
  })
}

/** Groups of what a plan leaves. */
function remaining(analysis: Analysis, plan: Plan): Analysis {
  if (plan.removed.length === 0) return analysis
  const maps = unitMaps(analysis, plan)
  const groups = analysis.groups.map((group): ChannelGroup => {
    const map = maps[group.id]!
    const members = group.members.map((member) => {
      const kept = plan.keep[member.name]?.[member.dim]
      if (kept === undefined) return member
      const place = new Map(kept.map((coordinate, k) => [coordinate, k]))
      const pairs = [...member.coords.keys()].filter((k) => place.has(member.coords[k]!))
      return {
        ...member,
        size: kept.length,
        coords: Int32Array.from(pairs, (k) => place.get(member.coords[k]!)!),
        units: Int32Array.from(pairs, (k) => map[member.units[k]!]!),
      }
    })
    return { ...group, size: map.filter((unit) => unit >= 0).length, members }
  })
  return { ...analysis, groups }
}

/** Coordinates that a second plan keeps, in the numbers of what the first left. */
function between(first: Plan, second: Plan): Plan['keep'] {
  const entries = Object.entries(second.keep).map(([name, dims]) => {
    const relative = Object.entries(dims).map(([dim, kept]) => {
      const before = first.keep[name]?.[Number(dim)]
      if (before === undefined) return [dim, kept] as const
      const place = new Map(before.map((coordinate, k) => [coordinate, k]))
      return [dim, kept.map((coordinate) => place.get(coordinate)!)] as const
    })
    return [name, Object.fromEntries(relative)] as const
  })
  return Object.fromEntries(entries)
}

/** A regularizer in its state, or from the start with penalties of the round before, where it remembers nothing else. */
export async function carriedOn(
  factory: RegularizerFactory,
  context: RegularizerContext,
  state: RegularizerState | undefined,
  reg: RegularizerState['reg'] | undefined,
): Promise<Regularizer> {
  const made = await factory.attach({ ...context, state })
  if (state !== undefined || reg === undefined || made.state.memory !== undefined) return made
  const carried = { ...made.state, reg }
  made.dispose()
  return factory.attach({ ...context, state: carried })
}

/** A copy of an optimizer's tensors, in the place of an earlier one. */
export function copyOf(state: OptimizerState, old: OptimizerState | undefined): OptimizerState {
  disposeState(old)
  const tensors = [...state.tensors].map(([name, parts]) => {
    const copies = Object.entries(parts).map(([part, tensor]) => [part, call('aten::clone', [tensor]) as Tensor])
    return [name, Object.fromEntries(copies)] as const
  })
  return { steps: state.steps, tensors: new Map(tensors) }
}

export function disposeState(state: OptimizerState | undefined): void {
  for (const parts of state?.tensors.values() ?? []) for (const tensor of Object.values(parts)) tensor.dispose()
}
