import { greg1, load, prune, type RunEvent, sgd, sparsify, Tensor } from 'espalier'
import { describe, expect, it } from 'vitest'
import { dataFile, digits } from '../../examples/digits.js'
import { LiveView } from '../../lib/cli/live-view.js'
import { analyse } from '../../lib/groups/analyse.js'
import type { Analysis } from '../../lib/groups/index.js'
import { keyOf, type Timings } from '../../lib/measure/forecast.js'
import type { BudgetOption } from '../../lib/plan/budgets/index.js'
import { makePlan, type Plan } from '../../lib/plan/plan.js'
import { aimed, missed, type Try } from '../../lib/run/aim.js'
import { RecordBuilder } from '../support/build.js'
import { failure } from '../torch/support.js'

/** Two layers, of `width` units between them. */
function layers(width: number): Analysis {
  const b = new RecordBuilder()
  return analyse(b.record(b.linear('b', b.linear('a', b.input(1, 4), width), 8)))
}

const WIDTH = 64
const analysis = layers(WIDTH)
const scores = new Map([[0, Array.from({ length: WIDTH }, (_, unit) => 1 + unit)]])
const make = (budget: BudgetOption) => (timings: Timings) => makePlan(analysis, scores, { budget, timings })
const widthOf = (plan: Plan | undefined): number => WIDTH - (plan?.removed[0]?.units.length ?? 0)

/** A machine on which operators take what `time` says of a width, and a forward pass what `real` does. */
function machine(time: (width: number) => number, real: (width: number) => number): Try & { plans: number[] } {
  const plans: number[] = []
  const attempt = async (plan: Plan | undefined) => {
    plans.push(widthOf(plan))
    const { record } = layers(widthOf(plan))
    const keys = record.ops.map((op) =>
      keyOf(record, op, (id) => (record.values[id] as unknown as { shape: number[] }).shape),
    )
    const operators = Object.fromEntries(keys.map((key) => [key, time(widthOf(plan)) / 2]))
    return { operators, real: [real(WIDTH), real(widthOf(plan))] as const }
  }
  return Object.assign(attempt, { plans })
}

describe('a budget of latency', () => {
  it('is met at once where operators are all that takes time', async () => {
    const exact = machine(
      (width) => width / 8,
      (width) => width / 8,
    )
    const { plan, latency } = await aimed(analysis, { latency: '4ms' }, make({ latency: '4ms' }), exact)
    expect(widthOf(plan)).toBe(32)
    expect(latency).toEqual({ asked: 4, predicted: 4, real: [8, 4], trials: 1 })
    expect(plan.latency).toEqual([8, 4])
  })

  it('is met by trials where the whole takes more than its operators, and that does not shrink', async () => {
    const slow = machine(
      (width) => width / 8,
      (width) => 1 + width / 8,
    )
    const { plan, latency } = await aimed(analysis, { latency: 0.5 }, make({ latency: 0.5 }), slow)
    expect(latency.asked).toBe(4.5)
    expect(latency.real[1]).toBe(1 + widthOf(plan) / 8)
    expect(latency.real[1]).toBeGreaterThanOrEqual(0.95 * 4.5)
    expect(latency.real[1]).toBeLessThanOrEqual(1.02 * 4.5)
    expect(latency.trials).toBeGreaterThan(1)
    expect(latency.trials).toBeLessThanOrEqual(5)
  })

  it('takes widths that are no slower than narrower ones', async () => {
    // What is no multiple of 8 takes three times as long.
    const padded = (width: number) => (width % 8 === 0 ? width / 8 : 3 * (width / 8))
    const { plan, latency } = await aimed(
      analysis,
      { latency: '5.5ms' },
      make({ latency: '5.5ms' }),
      machine(padded, padded),
    )
    expect(widthOf(plan)).toBe(40)
    expect(latency.real[1]).toBe(5)
  })

  it('that can not be met is refused with the best possible, once operators are measured', async () => {
    const exact = machine(
      (width) => width / 8,
      (width) => width / 8,
    )
    const { code, message } = await failure(() =>
      aimed(analysis, { latency: '0.5ms' }, make({ latency: '0.5ms' }), exact),
    )
    expect(code).toBe('ERR_BUDGET')
    // 7 of 64 units stay at least.
    expect(message).toBe(
      "the budget of 6.3 % (0.5 ms) of the latency can't be met: the best possible is 10.9 % (0.875 ms)",
    )
    // Only what operators take was measured.
    expect(exact.plans).toEqual([64, 48, 32, 16, 8, 47, 23])
  })

  it('beside a tighter budget is left alone', async () => {
    const exact = machine(
      (width) => width / 8,
      (width) => width / 8,
    )
    const budget = { latency: 0.9, params: 0.25 }
    const { plan, latency } = await aimed(analysis, budget, make(budget), exact)
    expect(plan.params[1]).toBeLessThanOrEqual(0.25 * plan.params[0])
    expect(latency.real[1]).toBeLessThanOrEqual(7.2)
    expect(latency.trials).toBeLessThanOrEqual(2)
  })

  it('that is missed is told', () => {
    const report = { predicted: 8, trials: 5, asked: 8 }
    expect(missed({ ...report, real: [16, 8.3] })).toBeUndefined()
    expect(missed({ ...report, real: [16, 9.2] })).toBe(
      'a forward pass of the cut model takes 9.2 ms, 15 % more than the 8 ms that were asked for',
    )
  })

  it('without what was measured is refused', () => {
    expect(() => makePlan(analysis, scores, { budget: { latency: 0.5 } })).toThrow(/needs 'timings'/)
    expect(() => makePlan(analysis, scores, { budget: { latency: 8 as never } })).toThrow(/a time with its unit/)
  })
})

describe('on this machine', () => {
  it('a cut is planned by measured operators, measured in turns, and told', async () => {
    using model = await load(dataFile('resnet8.trace.pt'))
    using input = Tensor.randn([8, 1, 8, 8])
    const { small, plan, latency } = await prune(model, { inputs: [input], budget: { latency: 0.9 } })
    small.dispose()
    const { asked, predicted, real, trials } = latency!
    expect(plan.latency![1]).toBe(predicted)
    expect(asked).toBeCloseTo(0.9 * real[0], 9)
    expect(Math.min(predicted, ...real)).toBeGreaterThan(0)
    expect(trials).toBeLessThanOrEqual(5)
    expect(plan.macs[1]).toBeLessThan(plan.macs[0])
  }, 120_000)

  it('a run finds its plan before it trains, and measures the cut; what is foretold is seen', async () => {
    using model = await load(dataFile('resnet8.trace.pt'))
    using input = Tensor.randn([8, 1, 8, 8])
    const events: RunEvent[] = []
    const view = new LiveView()
    const { train } = digits()
    const { small, plan, latency } = await sparsify(model, {
      ...{ inputs: [input], data: { train }, loss: 'cross-entropy', budget: { latency: 0.9 }, rounds: 2 },
      ...{ sparse: { epochs: 2, optimizer: sgd({ lr: 0.01 }) }, finetune: false, seed: 1 },
      regularizer: greg1({ ceiling: 1, updateEvery: 5 }),
      onEvent(event) {
        events.push(event)
        view.take(event)
      },
    })
    small.dispose()
    const kinds = events.map(({ kind }) => kind)
    expect(kinds.filter((kind) => kind === 'latency')).toHaveLength(2)
    expect(kinds.indexOf('latency')).toBeLessThan(kinds.indexOf('batch'))
    expect(kinds.lastIndexOf('latency')).toBeGreaterThan(kinds.indexOf('cut'))
    expect(latency!.asked).toBeCloseTo(0.9 * latency!.real[0], 9)
    expect(plan.latency![1]).toBeLessThanOrEqual(0.9 * plan.latency![0])
    const plain = { strong: String, soft: String, accent: String }
    expect(view.panel(80, plain as never).at(-1)).toMatch(/^latency +[\d.]+ ms -> [\d.]+ ms \(.* %\) foretold$/)
  }, 240_000)
})
