import { afterEach, describe, expect, it } from 'vitest'
import {
  bnScale,
  constantL2,
  GREG1_PUBLISHED,
  GREG2_PUBLISHED,
  greg1,
  greg2,
  groupLasso,
  growChosen,
  growing,
  type Regularizer,
  type RegularizerFactory,
  type RegularizerState,
  scheduled,
} from '../../lib/regularize/index.js'
import { Tensor } from '../../lib/torch/index.js'
import { adamw, sgd } from '../../lib/train/index.js'
import { attached, dispose, gradientOf, small } from './support.js'

afterEach(dispose)

// The units of small(): |w| sums to 10 and 15, w² to 54 and 89.
const removed = [{ group: 0, units: [0] }]
const float = (...values: number[]): number[] => values.map(Math.fround)
const refused = (words: RegExp) =>
  expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(words) })

/** The penalties and the stage after each of some forced updates. */
async function updates(regularizer: Regularizer, times: number) {
  const reg: (readonly number[])[] = []
  const stages: string[] = []
  for (let k = 0; k < times; k++) {
    await regularizer.update()
    reg.push(regularizer.state.reg[0]!)
    stages.push(regularizer.state.stage)
  }
  return { reg, stages }
}

describe('greg-1', () => {
  it('grows by a granularity up to the ceiling, then holds', async () => {
    const { context } = small()
    const regularizer = await attached(greg1({ granularity: 0.25, ceiling: 0.6 }).attach({ ...context, removed }))
    expect(await updates(regularizer, 4)).toEqual({
      reg: [float(0.25, 0), float(0.5, 0), float(0.6, 0), float(0.6, 0)],
      stages: ['push', 'push', 'stabilize', 'stabilize'],
    })
    expect(regularizer.done).toBe(false)
  })

  it('ends a group when kept over chosen, smoothed, reaches the ratio, and itself after the stabilization', async () => {
    const { context } = small()
    // 15 / 10: 1 -> 1.05 -> 1.095
    const options = { granularity: 0.25, ratio: 1.09, stabilize: 4, updateEvery: 2 }
    const regularizer = await attached(greg1(options).attach({ ...context, removed }))
    const seen: string[] = []
    for (let iteration = 1; iteration <= 10; iteration++) {
      await regularizer.apply()
      seen.push(`${iteration} ${regularizer.state.stage} ${regularizer.state.reg[0]![0]}`)
    }
    expect(seen.filter((_, k) => k % 2 === 1)).toEqual([
      '2 push 0.25',
      '4 stabilize 0.5',
      '6 stabilize 0.5',
      '8 done 0.5',
      '10 done 0.5',
    ])
    expect(regularizer.done).toBe(true)
    expect(regularizer.state.updates).toBe(4)
  })

  it('waits for the warm-up', async () => {
    const { context } = small()
    const options = { granularity: 0.25, warmup: 3, updateEvery: 1 }
    const regularizer = await attached(greg1(options).attach({ ...context, removed }))
    const reg: number[] = []
    for (let k = 0; k < 4; k++) {
      await regularizer.apply()
      reg.push(regularizer.state.reg[0]![0]!)
    }
    expect(reg).toEqual([0, 0, 0.25, 0.5])
  })

  it('in a closed loop grows faster while held-out accuracy stays, and waits while it is gone', async () => {
    const { context } = small()
    const accuracies = [0.9, 0.895, 0.85, 0.89, 0.9]
    const validate = async () => accuracies.shift()!
    const closedLoop = { slack: 0.01, checkEvery: 1, most: 2 }
    const factory = greg1({ granularity: 1 / 16, closedLoop })
    const regularizer = await attached(factory.attach({ ...context, removed, validate }))
    // speeds: 1 (the base is taken), 2, 0, 1, 2
    expect((await updates(regularizer, 5)).reg.map(([chosen]) => chosen)).toEqual([1, 3, 3, 4, 6].map((x) => x / 16))
    const blind = await attached(factory.attach({ ...context, removed }))
    await expect(blind.update()).rejects.toEqual(refused(/'greg-1' needs 'validate'/))
  })

  it('takes either a granularity or a part of the phase, and only numbers in range', () => {
    expect(() => greg1({ granularity: 0.1, growFraction: 0.5 })).toThrow(refused(/exclude each other/))
    for (const wrong of [{ ratio: 0.5 }, { stabilize: -1 }, { warmup: 0.5 }, { granularity: 0 }, { ceiling: 0 }]) {
      expect(() => greg1(wrong)).toThrow(refused(new RegExp(`'${Object.keys(wrong)[0]}' must be`)))
    }
    for (const wrong of [{ slack: -1 }, { checkEvery: 0 }, { most: 0.5 }]) {
      expect(() => greg1({ closedLoop: wrong })).toThrow(
        refused(new RegExp(`'closedLoop.${Object.keys(wrong)[0]}' must be`)),
      )
    }
  })
})

describe('greg-2', () => {
  it('grows all units, chooses when they reach the pick ceiling, then pushes the chosen and gives the kept some back', async () => {
    const { context } = small()
    let picks = 0
    const pick = async () => {
      picks++
      return removed
    }
    const stepping = { lr: 0.01, weightDecay: 1e-3 }
    const factory = greg2({ pickGranularity: 0.25, pickCeiling: 0.5, granularity: 0.25, ceiling: 1, recover: 1e-4 })
    const regularizer = await attached(factory.attach({ ...context, pick, stepping }))
    expect(await updates(regularizer, 5)).toEqual({
      reg: [float(0.25, 0.25), float(0.5, 0.5), float(0.75, -1e-4), float(1, -1e-4), float(1, -1e-4)],
      stages: ['grow', 'push', 'push', 'stabilize', 'stabilize'],
    })
    expect(picks).toBe(1)
    expect(regularizer.state.removed).toEqual(removed)
  })

  it('gives back no more than the weight decay', async () => {
    const { context } = small()
    const stepping = { lr: 0.01, weightDecay: 1e-5 }
    const factory = greg2({ pickGranularity: 0.5, pickCeiling: 0.5, granularity: 0.25 })
    const regularizer = await attached(factory.attach({ ...context, pick: async () => removed, stepping }))
    expect((await updates(regularizer, 2)).reg[1]).toEqual(float(0.75, -1e-5))
  })

  it('goes on from every state, through JSON, as if it had not stopped', async () => {
    const { context } = small()
    const own = { ...context, pick: async () => removed, validate: async () => 0.9 }
    const closedLoop = { checkEvery: 2 }
    const options = {
      pickGranularity: 0.125,
      pickCeiling: 0.25,
      granularity: 0.25,
      ratio: 1.2,
      stabilize: 2,
      closedLoop,
    }
    const factory = greg2({ ...options, updateEvery: 1 })
    const whole = await attached(factory.attach(own))
    let saved: RegularizerState = JSON.parse(JSON.stringify(whole.state))
    const stages = new Set<string>()
    for (let k = 0; k < 8; k++) {
      const resumed = await attached(factory.attach({ ...own, state: saved }))
      for (const each of [whole, resumed]) await each.apply()
      expect(resumed.state).toEqual(whole.state)
      stages.add(whole.state.stage)
      saved = JSON.parse(JSON.stringify(resumed.state))
      expect(saved).toEqual(resumed.state)
    }
    expect([...stages]).toEqual(['grow', 'push', 'stabilize', 'done'])
  })
})

it('the published presets say all that the paper says', () => {
  expect(GREG1_PUBLISHED).toEqual({ ceiling: 1, granularity: 1e-4, updateEvery: 5, ratio: 1000, stabilize: 10_000 })
  expect(GREG2_PUBLISHED).toEqual({
    ...{ updateEvery: 5, pickGranularity: 1e-5, pickCeiling: 1e-2, granularity: 1e-4, ceiling: 1 },
    ...{ recover: 1e-4, ratio: 1000, stabilize: 10_000 },
  })
})

describe("growing with target: 'plan'", () => {
  const chosen = new Set([0, 1])
  it('grows the chosen by how far they lie below the kept, and lets the kept fall back', () => {
    const reg = Float32Array.of(0, 0.5, 0.5, 0.01)
    // threshold 5, least 1
    const grown = growChosen(reg, [1, 3, 5, 9], chosen, 0.25, 0, 1)
    expect([...grown!]).toEqual(float(0.25, 0.625, 0.25, 0))
    expect([...growChosen(Float32Array.of(0.9, 0, 0, 0), [1, 3, 5, 9], chosen, 0.25, 0, 1)!]).toEqual(
      float(1, 0.125, 0, 0),
    )
  })
  it('grows a chosen unit above a kept one in full when all chosen are, and not at all when others lie below', () => {
    expect([...growChosen(new Float32Array(2), [4, 2], new Set([0]), 0.25, 0, 1)!]).toEqual([0.25, 0])
    expect([...growChosen(new Float32Array(3), [1, 4, 3], chosen, 0.25, 0, 1)!]).toEqual([0.25, 0, 0])
  })
  it('skips a group that is not finite', () => {
    expect(growChosen(new Float32Array(2), [Number.NaN, 1], chosen, 0.25, 0, 1)).toBe(null)
  })
  it('asks for a plan at every update, and goes with the last', async () => {
    const { context } = small()
    const plans = [[0], [1], [1]].map((units) => [{ group: 0, units }])
    const pick = async () => plans.shift()!
    const factory = growing({ reg: 0, deltaReg: 0.25, target: 'plan' })
    expect(factory.picks).toBe('during')
    const regularizer = await attached(factory.attach({ ...context, pick }))
    expect((await updates(regularizer, 3)).reg).toEqual([float(0.25, 0), float(0, 0.25), float(0, 0.5)])
    expect(regularizer.state.removed).toEqual([{ group: 0, units: [1] }])
    expect(() => growing({ target: 'some' as 'all' })).toThrow(refused(/'target' must be/))
  })
})

describe('penalties that do not grow', () => {
  it('constant: the same on all units', async () => {
    const { context, clear, parameters } = small()
    clear()
    const regularizer = await attached(constantL2({ reg: 0.5 }).attach(context))
    await regularizer.apply()
    await regularizer.apply()
    expect([...gradientOf(parameters.get('a.weight'))]).toEqual([1, 2, 3, 4])
    expect([...gradientOf(parameters.get('a.bias'))]).toEqual([5, 6])
  })

  it('group-lasso: 2^(alpha s) times as much on the less important', async () => {
    const { context } = small()
    const regularizer = await attached(groupLasso({ reg: 0.25, alpha: 2, updateEvery: 1 }).attach(context))
    expect(regularizer.state.reg).toEqual([[0.25, 0.25]])
    await regularizer.apply()
    expect(regularizer.state.reg[0]).toEqual([expect.closeTo(1, 6), 0.25])
  })

  it('bn-scale: the sign of norm scales, and nothing else', async () => {
    const { context, parameters, clear } = small()
    clear()
    const [group] = context.groups.groups
    const members = group!.members.map((m) => (m.name === 'a.bias' ? { ...m, use: 'norm-weight' as const } : m))
    const groups = { ...context.groups, groups: [{ ...group!, members }] }
    const regularizer = await attached(bnScale({ reg: 0.25 }).attach({ ...context, groups }))
    expect(regularizer.term).toBeUndefined()
    await regularizer.apply()
    await regularizer.apply({ scale: 4 })
    expect([...gradientOf(parameters.get('a.bias'))]).toEqual([1.25, 1.25])
    expect(parameters.get('a.weight')!.grad).toBe(null)
    expect(parameters.get('b.weight')!.grad).toBe(null)
  })
})

describe('coupling', () => {
  it('is decoupled for adaptive optimizers, in the gradient for others, and as asked', async () => {
    const { context } = small()
    const of = async (factory: RegularizerFactory, adaptive?: boolean) => {
      const stepping = adaptive === undefined ? undefined : { lr: 0.01, adaptive }
      return (await attached(factory.attach({ ...context, stepping }))).coupling
    }
    expect(await of(constantL2())).toBe('gradient')
    expect(await of(constantL2(), false)).toBe('gradient')
    expect(await of(constantL2(), true)).toBe('decoupled')
    expect(await of(constantL2({ coupling: 'gradient' }), true)).toBe('gradient')
    expect(adamw().stepping(0.1)).toEqual({ lr: 0.1, weightDecay: 0.01, adaptive: true })
  })

  it('decoupled shrinks the weights by lr * reg and needs the lr', async () => {
    const { context, parameters, clear } = small()
    clear()
    const regularizer = await attached(constantL2({ reg: 0.5, coupling: 'decoupled' }).attach(context))
    await regularizer.apply({ lr: 0.5 })
    expect([...(parameters.get('a.weight')!.data() as Float32Array)]).toEqual([0.75, 1.5, 2.25, 3])
    expect(parameters.get('a.weight')!.grad).toBe(null)
    await expect(regularizer.apply()).rejects.toEqual(refused(/needs the learning rate/))
    await expect(regularizer.apply({ lr: -1 })).rejects.toEqual(refused(/'lr' must be a number of at least 0, not -1/))
  })

  it('decoupled is refused where a step would shrink a weight past zero; Adam is warned of a penalty in the gradient', async () => {
    const { context } = small()
    const warnings: string[] = []
    const attach = (factory: RegularizerFactory, lr: number, adaptive = false) =>
      attached(factory.attach({ ...context, stepping: { lr, adaptive }, onWarning: (text) => warnings.push(text) }))
    await attach(constantL2({ reg: 4, coupling: 'decoupled' }), 0.1)
    expect(warnings).toEqual([])
    await expect(attach(constantL2({ reg: 4, coupling: 'decoupled' }), 0.3)).rejects.toEqual(
      refused(/diverges above 1/),
    )
    await attach(constantL2({ reg: 100, coupling: 'gradient' }), 0.1, true)
    expect(warnings).toEqual([expect.stringMatching(/adaptive optimizer normalises/)])
  })

  it('a penalty on gradients that are scaled is scaled', async () => {
    const { context, parameters, clear } = small()
    clear()
    const regularizer = await attached(constantL2({ reg: 0.5 }).attach(context))
    await regularizer.apply({ scale: 8 })
    expect([...gradientOf(parameters.get('b.weight'))]).toEqual([28, 32])
  })
})

describe('an optimizer that takes the penalty in its own pass', () => {
  it.each([
    ['sgd', sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.01 }), undefined],
    ['sgd, decoupled', sgd({ lr: 0.1, momentum: 0.9, nesterov: true }), 'decoupled'],
    // One factor on the weight or two: they differ by lr² * weightDecay * reg.
    ['adamw', adamw({ lr: 0.1, weightDecay: 0 }), undefined],
    ['adamw, in the gradient', adamw({ lr: 0.1 }), 'gradient'],
  ] as const)('%s steps as after apply()', async (_name, factory, coupling) => {
    const [apart, fused] = [small(), small()]
    const run = async ({ context, parameters, clear }: ReturnType<typeof small>, inOnePass: boolean) => {
      const options = { reg: 0.25, coupling }
      const stepping = factory.stepping(factory.lr)
      const regularizer = await attached(constantL2(options).attach({ ...context, stepping }))
      const optimizer = factory.bind(parameters)
      for (let step = 0; step < 3; step++) {
        clear()
        parameters.get('a.weight')!.grad = Tensor.from([1, 2, 3, -4], [2, 2], { dtype: 'float32' })
        if (inOnePass) await optimizer.step(regularizer.term)
        else {
          await regularizer.apply({ lr: optimizer.lr })
          // A decoupled penalty acts on parameters without a gradient, too; the optimizer alone leaves those be.
          for (const parameter of parameters.values()) parameter.grad ??= Tensor.zeros(parameter.shape)
          await optimizer.step()
        }
      }
      optimizer.dispose()
      return [...parameters.values()].flatMap((parameter) => [...(parameter.data() as Float32Array)])
    }
    const wanted = await run(apart, false)
    const got = await run(fused, true)
    got.forEach((w, i) => {
      expect(w, `element ${i}`).toBeCloseTo(wanted[i]!, 5)
    })
    expect(got).not.toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('refuses a penalty on parameters that are not its own', async () => {
    const { context, parameters } = small()
    const regularizer = await attached(constantL2().attach(context))
    const other = sgd({ lr: 0.1 }).bind(new Map([['a.weight', parameters.get('a.weight')!]]))
    await expect(other.step(regularizer.term)).rejects.toEqual(refused(/a parameter that this optimizer has not/))
  })
})

describe('a schedule of the user', () => {
  it('says how the penalty goes, asks what it needs to know, and keeps what it likes', async () => {
    const { context } = small()
    const factory = scheduled<{ seen: number[] }>({
      ...{ name: 'mine', picks: 'end', updateEvery: 2 },
      start: () => ({ reg: [Float32Array.of(0.5, 0)], stage: 'grow', memory: { seen: [] } }),
      async grow(before, moment) {
        const [sums] = await moment.sums('abs')
        const scores = await moment.scores()
        const seen = [...before.memory.seen, moment.iteration, ...sums!, Math.round(1000 * scores.get(0)![0]!)]
        return { ...before, reg: [before.reg[0]!.map((r) => r / 2)], memory: { seen } }
      },
      highest: () => [Float32Array.of(0.5, 0)],
    })
    const regularizer = await attached(factory.attach(context))
    for (let k = 0; k < 4; k++) await regularizer.apply()
    expect(regularizer.state).toMatchObject({
      ...{ name: 'mine', updates: 2, reg: [[0.125, 0]] },
      memory: { seen: [2, 10, 15, 755, 4, 10, 15, 755] },
    })
  })
})

describe('a point of the trajectory', () => {
  it('tells quantiles of reg, sizes of kept and chosen, their ratio, and the overlap with a choice by L1', async () => {
    const { context } = small()
    const regularizer = await attached(greg1({ granularity: 0.5 }).attach({ ...context, removed }))
    await regularizer.update()
    expect(await regularizer.observe()).toEqual({
      ...{ kind: 'regularizer', name: 'greg-1', stage: 'push', iteration: 0, updates: 1, skipped: 0 },
      groups: [
        {
          ...{ group: 0, reg: [0, 0, 0, 0, 0.5], held: [0], overlap: 1 },
          kept: expect.closeTo(Math.sqrt(89), 5),
          chosen: expect.closeTo(Math.sqrt(54), 5),
          ratio: expect.closeTo(Math.sqrt(89 / 54), 5),
        },
      ],
    })
    const other = await attached(greg1().attach({ ...context, removed: [{ group: 0, units: [1] }] }))
    expect((await other.observe()).groups[0]!.overlap).toBe(0)
  })
})
