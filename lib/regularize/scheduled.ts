import { EspalierError } from '../errors.js'
import { largestCoefficient, type Reg } from './coefficients.js'
import { Penalty } from './penalty.js'
import { checkStability } from './stability.js'
import type { Regularizer, RegularizerContext, RegularizerState } from './types.js'

/** What distinguishes one growing penalty from another. */
export interface Schedule {
  name: string
  /** Optimizer steps between two growth steps. */
  updateEvery: number
  /** Penalties before the first growth step, by group id. */
  start: Reg
  /** The highest penalty that a unit can reach in this phase. */
  highest: number
  /** 1 for every unit whose penalty can grow, 0 for the others; absent: all can. */
  touched?: Reg
  /** Penalties after growth step number `updates` (from 1); `null` for a group that sits it out. */
  grow(before: Reg, updates: number): Promise<readonly (Float32Array | null)[]>
}

/** A regularizer that penalises with `reg * w` and lets `reg` grow every so many iterations. */
export class Scheduled implements Regularizer {
  readonly #schedule: Schedule
  readonly #penalty: Penalty
  #iteration = 0
  #updates = 0
  #reg: Reg
  #skipped: number[]

  private constructor(schedule: Schedule, penalty: Penalty) {
    this.#schedule = schedule
    this.#penalty = penalty
    this.#reg = schedule.start
    this.#skipped = schedule.start.map(() => 0)
  }

  static async attach(schedule: Schedule, context: RegularizerContext): Promise<Regularizer> {
    const { model, groups, stepping, onWarning, state } = context
    const highest = schedule.start.map((reg, g) =>
      reg.map((_, unit) => schedule.highest * (schedule.touched?.[g]?.[unit] ?? 1)),
    )
    checkStability(largestCoefficient(groups, highest), stepping, onWarning)
    const regularizer = new Scheduled(schedule, new Penalty(model, groups))
    if (state !== undefined) regularizer.#restore(state)
    await regularizer.#penalty.set(regularizer.#reg)
    return regularizer
  }

  get name(): string {
    return this.#schedule.name
  }

  async apply(): Promise<void> {
    await this.#penalty.apply()
    this.#iteration++
    if (this.#iteration % this.#schedule.updateEvery === 0) await this.update()
  }

  async update(): Promise<void> {
    this.#updates++
    const grown = await this.#schedule.grow(this.#reg, this.#updates)
    const before = this.#reg
    this.#reg = grown.map((reg, g) => reg ?? before[g]!)
    grown.forEach((reg, g) => {
      if (reg === null) this.#skipped[g]!++
    })
    if (!same(before, this.#reg)) await this.#penalty.set(this.#reg)
  }

  get state(): RegularizerState {
    return {
      schema: 1,
      name: this.name,
      iteration: this.#iteration,
      updates: this.#updates,
      reg: this.#reg.map((reg) => Array.from(reg)),
      skipped: [...this.#skipped],
    }
  }

  #restore(state: RegularizerState): void {
    const fits =
      state.schema === 1 &&
      state.name === this.name &&
      state.reg.length === this.#reg.length &&
      state.reg.every((reg, g) => reg.length === this.#reg[g]!.length)
    if (!fits) {
      throw new EspalierError('ERR_INVALID_ARGUMENT', `the state is not one of '${this.name}' on these groups`)
    }
    this.#iteration = state.iteration
    this.#updates = state.updates
    this.#reg = state.reg.map((reg) => Float32Array.from(reg))
    this.#skipped = [...state.skipped]
  }

  dispose(): void {
    this.#penalty.dispose()
  }
}

const same = (a: Reg, b: Reg): boolean => a.every((reg, g) => reg.every((r, unit) => r === b[g]![unit]))
